import type { Digest } from '../../storage/digest.ts';
import type { Device } from './device.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { listKept, putAway, takeOut } from './kept.ts';
import { otherSlot } from './paths.ts';
import { currentSlot, slotDigest } from './slot.ts';
import type { DeviceState } from './state.ts';
import { switchOver } from './switch-over.ts';

/**
 * Finishes the way back that `state.restore` names: the release comes out of `kept` into the other
 * slot, whose own release is put away, and is switched to. Every step may be repeated after a crash.
 */
export async function finishRestore(device: Device): Promise<void> {
  const { paths, state, clock } = device;
  const to = state.value.restore;
  if (to === undefined) return;
  const current = await currentSlot(paths);
  const slot = otherSlot(current);
  if (current === undefined || (await slotDigest(paths, current)) !== to) {
    await bringIn(device, to, slot);
    const record = { digest: to, verifiedMs: clock() };
    await state.change({ slots: { ...state.value.slots, [slot]: record } });
    await switchTo(device, slot);
  }
  await state.change({ restore: undefined, activatedMs: clock() });
}

/** A target that can't take the release leaves what runs: then the way back ends here. */
async function switchTo(device: Device, slot: 'a' | 'b'): Promise<void> {
  try {
    await switchOver(device, slot);
  } catch (error) {
    const fault = toDeviceError(error, 'the way back');
    if (fault.code !== 'aborted') await device.state.change({ restore: undefined });
    throw fault;
  }
}

async function bringIn(device: Device, to: Digest, slot: 'a' | 'b'): Promise<void> {
  const { paths, state } = device;
  if ((await slotDigest(paths, slot)) === to) return;
  const slots: DeviceState['slots'] = { ...state.value.slots, [slot]: undefined };
  await state.change({ slots });
  await putAway(paths, slot);
  const kept = (await listKept(paths)).find(({ digest }) => digest === to);
  if (kept === undefined) {
    await state.change({ restore: undefined });
    throw new DeviceError('no_rollback', `the release ${to} is no longer on this device`);
  }
  await takeOut(paths, kept, slot);
}
