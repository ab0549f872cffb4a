import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import { LayerFinder } from './layer-finder.ts';
import type { ResultEvent } from './output.ts';
import { otherSlot } from './paths.ts';
import { currentSlot, readSlot, switchCurrent, type SlotImage } from './slot.ts';
import { MAX_REFUSED } from './state.ts';

/**
 * Goes back to the release in the other slot, after checking all of it. The release that is left is
 * not installed again until `update --retry`. Throws `no_rollback` when there is none to go back to.
 */
export async function rollback(device: Device): Promise<ResultEvent> {
  const { paths, state, clock } = device;
  const current = await currentSlot(paths);
  if (current === undefined) throw new DeviceError('not_installed', 'nothing is installed');
  const from = (await readSlot(paths, current))?.image.manifest.digest;
  const target = await verifiedSlot(device, current);
  const to = target.image.manifest.digest;
  const { run, refused } = state.value;
  const left = from === undefined ? [] : [from];
  await state.change({
    ...(run === undefined ? {} : { run: { ...run, phase: 'rolled_back' as const } }),
    refused: [...refused.filter((digest) => digest !== to && digest !== from), ...left].slice(
      -MAX_REFUSED,
    ),
    last: { outcome: 'rolled_back', atMs: clock(), from, to, code: 'manual' },
  });
  await switchCurrent(paths, target.slot);
  await state.change({ activatedMs: clock() });
  if (run !== undefined && run.decision.target.digest === from) {
    await device.report(run.decision, { type: 'rolled_back', code: 'manual' });
  }
  await device.sendReports();
  return { event: 'result', outcome: 'rolled_back', from, to, bytes: 0, fetchMs: 0, applyMs: 0 };
}

async function verifiedSlot(device: Device, current: 'a' | 'b'): Promise<SlotImage> {
  const slot = otherSlot(current);
  const record = device.state.value.slots[slot];
  const image = record === undefined ? undefined : await readSlot(device.paths, slot);
  if (record === undefined || image?.image.manifest.digest !== record.digest) {
    throw new DeviceError('no_rollback', `slot ${slot} holds no verified release to go back to`);
  }
  const layers = new LayerFinder([image.path]);
  for (const diffId of image.image.diffIds) {
    if ((await layers.find(diffId, device.signal)) === undefined) {
      throw new DeviceError('no_rollback', `slot ${slot} is damaged: its layer ${diffId}`);
    }
  }
  return image;
}
