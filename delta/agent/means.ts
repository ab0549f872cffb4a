import type { Device } from './device.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { dropOldest, listKept, putAway, reclaimableBytes } from './kept.ts';
import { LayerFinder } from './layer-finder.ts';
import { otherSlot, slotPath } from './paths.ts';
import type { Plan } from './protocol.ts';
import { repairReleases } from './repair.ts';
import { currentSlot, slotDigest } from './slot.ts';
import type { RunState } from './state.ts';
import { tryPlan, type Work } from './try-plan.ts';

/**
 * Empties the slot that the release goes to: an older release in it is put away, if it may be gone
 * back to later. What an unfinished try left there stays for the next.
 */
export async function makeWay(device: Device, run: RunState): Promise<void> {
  const { paths, state, options } = device;
  const digest = await slotDigest(paths, run.slot);
  if (digest === undefined || options.keep <= 2) return;
  if (state.value.slots[run.slot]?.isUnproved === true) return;
  if (digest === run.decision.target.digest || state.value.refused.includes(digest)) return;
  await state.change({ slots: { ...state.value.slots, [run.slot]: undefined } });
  await putAway(paths, run.slot);
}

/** Finds layers in all that is on the device: what runs, the other slot, and what is kept. */
export async function findLayers(device: Device): Promise<LayerFinder> {
  const kept = await listKept(device.paths);
  const current = await currentSlot(device.paths);
  const slots = [current ?? 'a', otherSlot(current ?? 'a')];
  return new LayerFinder([
    ...slots.map((slot) => slotPath(device.paths, slot)),
    ...kept.map(({ path }) => path),
  ]);
}

/**
 * Tries a plan. Where space lacks, kept releases are given up for it, the oldest first; where the base
 * turns out to be damaged, and the options say so, it is repaired once.
 */
export async function tryWithMeans(work: Work, plan: Plan): Promise<void> {
  let mayRepair = work.device.options.repair === 'auto' && plan.kind === 'delta';
  for (let trial = work; ; trial = { ...trial, layers: await findLayers(trial.device) }) {
    try {
      await tryPlan(trial, plan);
      return;
    } catch (error) {
      const fault = toDeviceError(error, `plan ${plan.kind}`);
      if (fault.code === 'no_space') {
        if (!(await makeRoom(trial.device, fault))) throw fault;
        trial.device.warn(`${fault.message}; the oldest kept release was given up for it`);
      } else {
        const isBase = fault.code === 'wrong_base' || fault.code === 'output_mismatch';
        if (!isBase || !mayRepair || !(await repairBase(trial, fault))) throw fault;
        mayRepair = false;
      }
    }
  }
}

/** Gives the oldest kept release up, unless all of them together would not be enough. */
async function makeRoom({ paths }: Device, fault: DeviceError): Promise<boolean> {
  const { short } = fault.detail;
  if (typeof short === 'number' && (await reclaimableBytes(paths)) < short) return false;
  return dropOldest(paths);
}

/** True when something was broken and is whole now; a repair that fails leaves the fault as it was. */
async function repairBase(work: Work, fault: DeviceError): Promise<boolean> {
  const { device } = work;
  try {
    const { layers, bytes } = await repairReleases(device, work.meter);
    if (layers > 0) device.warn(`${fault.message}; repaired ${layers} layers by ${bytes} bytes`);
    return layers > 0;
  } catch (error) {
    const failed = toDeviceError(error, 'the repair');
    if (failed.code === 'aborted' || failed.code === 'quota') throw failed;
    device.warn(`the damaged base is not repaired: ${failed.message}`);
    return false;
  }
}
