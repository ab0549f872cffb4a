import { Command, CommanderError } from 'commander';

import {
  serveCommand,
  statusCommand,
  updateCommand,
  type CommandFlags,
  type Host,
} from './commands.ts';
import {
  bootCommand,
  confirmCommand,
  releasesCommand,
  repairCommand,
  rollbackCommand,
} from './release-commands.ts';
import { exitCodeOf, toDeviceError } from './errors.ts';

type Run = (flags: CommandFlags, host: Host) => Promise<void>;
type Add = (name: string, description: string, run: Run) => Command;

function createProgram(host: Host): Command {
  const program = new Command('rivulet-device')
    .description('Keeps a device on its channel: checks, fetches, applies, verifies, activates.')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        const fault = text
          .trim()
          .replace(/\s+/g, ' ')
          .replace(/^error: /, '');
        write(`rivulet-device: ${fault}; see rivulet-device --help\n`);
      },
    })
    .addHelpText(
      'after',
      '\nEvery option can stand in the environment as RIVULET_DEVICE_<NAME>, such as\nRIVULET_DEVICE_DATA. Exit codes: 0 done, 1 failed, 2 wrong use, 3 input refused.',
    );
  const add: Add = (name, description, run) =>
    program
      .command(name)
      .description(description)
      .option('--data <dir>', "the device's folder (default: ./rivulet-device)")
      .option('--json', 'JSON lines instead of prose')
      .option('--debug', 'show where an error comes from')
      .action((flags: CommandFlags) => run(flags, host));
  addUpdate(add);
  add(
    'status',
    'Shows what runs, what the last run did and what waits to be reported.',
    statusCommand,
  ).addHelpText('after', example('rivulet-device status --data /var/lib/rivulet'));
  addReleases(add, host);
  add('serve', 'Serves what runs to the local container engine, read-only.', serveCommand)
    .option('--listen <host:port>', 'where to listen; port 0 takes a free one', '127.0.0.1:0')
    .addHelpText(
      'after',
      example('rivulet-device serve --data /var/lib/rivulet --listen 127.0.0.1:5000'),
    );
  return program;
}

function addReleases(add: Add, host: Host): void {
  add(
    'releases',
    'Lists the releases on the device, with the numbers that rollback takes.',
    releasesCommand,
  ).addHelpText('after', example('rivulet-device releases --data /var/lib/rivulet'));
  add('rollback', 'Goes back to an older release on the device, offline.', rollbackCommand)
    .argument('[release]', 'its digest, or how many releases back it lies (default: 1)')
    .action((release: string | undefined, flags: CommandFlags) =>
      rollbackCommand({ ...flags, release }, host),
    )
    .addHelpText('after', example('rivulet-device rollback 2 --data /var/lib/rivulet'));
  add(
    'repair',
    'Checks every layer on the device and fetches the chunks that are damaged.',
    repairCommand,
  ).addHelpText('after', example('rivulet-device repair --data /var/lib/rivulet'));
  add(
    'boot',
    'Counts a boot into a release that is not confirmed yet; run it early.',
    bootCommand,
  ).addHelpText('after', example('rivulet-device boot --data /var/lib/rivulet'));
  add(
    'confirm',
    'Asks the health command about a release that waits for it.',
    confirmCommand,
  ).addHelpText('after', example('rivulet-device confirm --data /var/lib/rivulet'));
}

const COMMANDS_HELP = `The commands get RIVULET_HOOK (pre-install, pre-activate, post-activate, health, reboot),
RIVULET_REASON (update, rollback), RIVULET_DATA, RIVULET_IMAGE (the OCI layout), RIVULET_TARGET
(the folder, file or device of --target), RIVULET_FROM and RIVULET_TO (manifest digests). They may run
again for the same release after a power cut.`;

const TARGET_HELP =
  'layout, rootfs:DIR, file:PATH or ab:DEVICE_A,DEVICE_B[,LINK] (default: layout)';

function addUpdate(add: Add): void {
  add('update', 'Brings the device to the newest release of its channel.', updateCommand)
    .option('--server <url>', 'a server to ask, the nearest first; repeatable', collect)
    .option('--product <name>', 'the repository that holds the images')
    .option('--channel <tag>', 'the tag to follow (default: latest)')
    .option('--platform <os/arch[/variant]>', 'the platform (default: this machine)')
    .option('--region <name>', 'the region, for plans and statistics')
    .option('--device-id <id>', 'the name of this device (default: made up once)')
    .option('--token <token>', 'what its servers want to see (better: RIVULET_TOKEN)')
    .option('--health <command>', 'a shell command that proves a release; it gets $RIVULET_IMAGE')
    .option('--health-timeout <seconds>', 'its deadline (default: 60)')
    .option('--target <target>', TARGET_HELP)
    .option('--pre-install <command>', 'a shell command that may forbid a download')
    .option('--pre-activate <command>', 'a shell command that may forbid the switch')
    .option('--post-activate <command>', 'a shell command after the switch; failing is unhealthy')
    .option('--hook-timeout <seconds>', 'the deadline of each of them (default: 60)')
    .option('--activate <when>', 'now, or reboot: healthy only after a boot (default: now)')
    .option('--reboot-command <command>', 'what reboots (default: nothing, an operator does)')
    .option('--boot-attempts <n>', 'unconfirmed boots before it goes back (default: 3)')
    .option('--repair <when>', 'auto: repair a damaged base, then go on; or off (default: off)')
    .option('--keep <n>', 'releases that stay on the device, 1 to 32 (default: 3)')
    .option('--max-bps <bytes>', 'bytes per second for downloads (default: 0, no limit)')
    .option('--max-bytes <bytes>', 'bytes on the wire for one release (default: 0, as decided)')
    .option('--quota <quota>', 'bytes on the wire, such as hour=5MB,day=20MB,month=200MB, or none')
    .option('--metered', 'the link costs money: no image is pulled whole unless decided so')
    .option('--no-metered', 'it does not')
    .option('--min-free <bytes>', 'disk that stays free whatever comes (default: 1MiB)')
    .option('--max-ram <bytes>', 'memory that a plan may need (default: 0, what is available)')
    .option('--window <spans>', 'when to activate: "Mon-Fri 02:00-05:00; Sat 22:00-06:00", or any')
    .option('--zone <name>', 'the time zone of the window (default: that of the machine)')
    .option('--report-limit <bytes>', 'room for reports that wait (default: 262144)')
    .option('--stall-timeout <seconds>', 'give a silent transfer up after this (default: 30)')
    .option('--retry', 'try releases again that were unhealthy before')
    .addHelpText(
      'after',
      `${example('rivulet-device update --server http://127.0.0.1:8480 --product demo/app --health "test -e /run/ok"')}\n\nThe options are remembered: the next time, "rivulet-device update" will do.\n\n${COMMANDS_HELP}`,
    );
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function example(command: string): string {
  return `\nExample:\n  $ ${command}`;
}

/** Runs the program; returns its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const { stdout, stderr, env } = process;
  try {
    await createProgram({ stdout, stderr, env, signal: controller.signal }).parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const fault = toDeviceError(error, 'rivulet-device');
    stderr.write(`rivulet-device: ${fault.message.replace(/\s+/g, ' ')} [${fault.code}]\n`);
    if (argv.includes('--debug')) stderr.write(`${fault.stack ?? ''}\n`);
    if (argv.includes('--debug') && fault.cause instanceof Error) {
      stderr.write(`caused by ${fault.cause.stack ?? fault.cause.message}\n`);
    }
    return exitCodeOf(fault);
  } finally {
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  }
}
