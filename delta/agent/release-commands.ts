import { confirm, countBoot } from './boot.ts';
import { failUnhealthy, pathsOf, runDevice, type CommandFlags, type Host } from './commands.ts';
import type { Device } from './device.ts';
import { emptyFetch } from './fetcher.ts';
import { Meter } from './meter.ts';
import { createOutput, type ResultEvent } from './output.ts';
import { printReleases } from './releases.ts';
import { repairReleases } from './repair.ts';
import { rollback } from './rollback.ts';

/** `rivulet-device releases`. */
export async function releasesCommand(flags: CommandFlags, host: Host): Promise<void> {
  const output = await createOutput(host, flags.json === true, Date.now);
  await printReleases(pathsOf(flags, host), output);
}

/** `rivulet-device rollback [release]`. */
export async function rollbackCommand(
  flags: CommandFlags & { readonly release?: string | undefined },
  host: Host,
): Promise<void> {
  await runDevice(flags, host, false, (device) => rollback(device, flags.release));
}

/** `rivulet-device repair`. */
export async function repairCommand(flags: CommandFlags, host: Host): Promise<void> {
  await runDevice(flags, host, true, repair);
}

/** `rivulet-device boot`. */
export async function bootCommand(flags: CommandFlags, host: Host): Promise<void> {
  failUnhealthy(await runDevice(flags, host, false, countBoot));
}

/** `rivulet-device confirm`. */
export async function confirmCommand(flags: CommandFlags, host: Host): Promise<void> {
  failUnhealthy(await runDevice(flags, host, false, confirm));
}

async function repair(device: Device): Promise<ResultEvent> {
  const startMs = device.clock();
  const { layers, bytes } = await repairReleases(device, new Meter());
  const phase = device.state.value.run?.phase;
  const isUnderWay = phase === 'checked' || phase === 'downloading' || phase === 'applying';
  // What an update has fetched so far stays for it.
  if (!isUnderWay) await emptyFetch(device.paths);
  return {
    event: 'result',
    outcome: layers > 0 ? 'repaired' : 'up_to_date',
    reason: `${layers} damaged layers`,
    bytes,
    fetchMs: device.clock() - startMs,
    applyMs: 0,
  };
}
