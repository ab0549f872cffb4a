import { isDigest } from '../../storage/digest.ts';
import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import { LayerFinder } from './layer-finder.ts';
import type { ResultEvent } from './output.ts';
import { heldReleases, type HeldRelease } from './releases.ts';
import { finishRestore } from './restore.ts';
import { currentSlot, readLayout } from './slot.ts';
import { MAX_REFUSED } from './state.ts';

/**
 * Goes to an older release on the device, offline, after checking all of it: the one before, or the
 * one that `wanted` names by digest or by how many releases back it lies. The release that is left is
 * not installed again until `update --retry`. Throws `no_rollback` when there is none such.
 */
export async function rollback(device: Device, wanted?: string): Promise<ResultEvent> {
  const { paths, state, clock } = device;
  const current = await currentSlot(paths);
  if (current === undefined) throw new DeviceError('not_installed', 'nothing is installed');
  const to = (await chooseRelease(device, wanted)).digest;
  const from = (await heldReleases(paths)).find(({ back }) => back === 0)?.digest;
  const { run, refused } = state.value;
  const left = from === undefined ? [] : [from];
  await state.change({
    ...(run === undefined ? {} : { run: { ...run, phase: 'rolled_back' as const } }),
    refused: [...refused.filter((digest) => digest !== to && digest !== from), ...left].slice(
      -MAX_REFUSED,
    ),
    restore: to,
    last: { outcome: 'rolled_back', atMs: clock(), from, to, code: 'manual' },
  });
  await finishRestore(device);
  if (run !== undefined && run.decision.target.digest === from) {
    await device.report(run.decision, { type: 'rolled_back', code: 'manual' });
  }
  await device.sendReports();
  return { event: 'result', outcome: 'rolled_back', from, to, bytes: 0, fetchMs: 0, applyMs: 0 };
}

async function chooseRelease(device: Device, wanted = '1'): Promise<HeldRelease> {
  const releases = await heldReleases(device.paths);
  const found = releases.find(({ digest, back }) =>
    isDigest(wanted) ? digest === wanted : String(back) === wanted,
  );
  if (found === undefined || found.back === 0) {
    const older = releases.filter(({ back }) => back > 0);
    throw new DeviceError(
      'no_rollback',
      `there is no release ${JSON.stringify(wanted)} to go back to: ${older.length} older ones are here, see "rivulet-device releases"`,
    );
  }
  await checkWhole(device, found);
  return found;
}

async function checkWhole(device: Device, held: HeldRelease): Promise<void> {
  const release = await readLayout(held.path);
  const layers = new LayerFinder([held.path]);
  for (const diffId of release?.image.diffIds ?? []) {
    if ((await layers.find(diffId, device.signal)) === undefined) {
      throw new DeviceError(
        'no_rollback',
        `the release ${held.digest} in ${held.path} is damaged: its layer ${diffId}; "rivulet-device repair" fetches what is broken`,
      );
    }
  }
}
