import { DeviceError } from './errors.ts';
import type { Device } from './device.ts';
import type { SlotName } from './paths.ts';
import { readSlot, switchCurrent } from './slot.ts';
import { openTarget, type Target } from './targets/target.ts';

/**
 * Makes a slot's release the one that runs, or none: the target takes it up and switches, then
 * `current`. What ran goes on until the target's own switch, which is one rename. Idempotent.
 */
export async function switchOver(device: Device, slot: SlotName | undefined): Promise<void> {
  const { paths } = device;
  const target = targetOf(device);
  if (slot === undefined) {
    await target.leave();
  } else {
    const release = await readSlot(paths, slot);
    if (release === undefined) {
      throw new DeviceError('state_corrupt', `slot ${slot} holds no whole release to activate`);
    }
    await target.prepare(release);
    await target.activate(release);
  }
  await switchCurrent(paths, slot);
}

/** The target that the device's options name. */
export function targetOf({ options, signal }: Device): Target {
  return openTarget(options.target, { signal, minFreeBytes: options.minFreeBytes });
}
