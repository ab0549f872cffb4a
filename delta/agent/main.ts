#!/usr/bin/env node
import { Command, CommanderError } from 'commander';

import {
  rollbackCommand,
  serveCommand,
  statusCommand,
  updateCommand,
  type CommandFlags,
  type Host,
} from './commands.ts';
import { exitCodeOf, toDeviceError } from './errors.ts';

type Run = (flags: CommandFlags, host: Host) => Promise<void>;

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
  const add = (name: string, description: string, run: Run): Command =>
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
  add('rollback', 'Goes back to the release in the other slot.', rollbackCommand).addHelpText(
    'after',
    example('rivulet-device rollback --data /var/lib/rivulet'),
  );
  add('serve', 'Serves what runs to the local container engine, read-only.', serveCommand)
    .option('--listen <host:port>', 'where to listen; port 0 takes a free one', '127.0.0.1:0')
    .addHelpText(
      'after',
      example('rivulet-device serve --data /var/lib/rivulet --listen 127.0.0.1:5000'),
    );
  return program;
}

function addUpdate(add: (name: string, description: string, run: Run) => Command): void {
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
    .option('--keep <n>', 'releases that stay on the device, 1 or 2 (default: 2)')
    .option('--max-bps <bytes>', 'bytes per second for downloads (default: 0, no limit)')
    .option('--report-limit <bytes>', 'room for reports that wait (default: 262144)')
    .option('--stall-timeout <seconds>', 'give a silent transfer up after this (default: 30)')
    .option('--retry', 'try releases again that were unhealthy before')
    .addHelpText(
      'after',
      `${example('rivulet-device update --server http://127.0.0.1:8480 --product demo/app --health "test -e /run/ok"')}\n\nThe options are remembered: the next time, "rivulet-device update" will do.`,
    );
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function example(command: string): string {
  return `\nExample:\n  $ ${command}`;
}

/** Runs the program; returns its exit code. */
async function main(argv: readonly string[]): Promise<number> {
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

process.exitCode = await main(process.argv);
