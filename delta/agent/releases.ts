import type { Digest } from '../../storage/digest.ts';
import { listKept } from './kept.ts';
import type { Output } from './output.ts';
import { otherSlot, slotPath, type DevicePaths, type SlotName } from './paths.ts';
import { currentSlot, slotDigest } from './slot.ts';

/** A release on this device. `back` counts from the one that runs, which is 0. */
export interface HeldRelease {
  readonly digest: Digest;
  readonly back: number;
  /** Its OCI layout. */
  readonly path: string;
}

/**
 * What the device holds: what runs, the other slot's release, then the kept ones, the newest first.
 * A slot whose documents are damaged is left out. Layers are not looked at.
 */
export async function heldReleases(paths: DevicePaths): Promise<readonly HeldRelease[]> {
  const current = await currentSlot(paths);
  if (current === undefined) return [];
  const running = await slotRelease(paths, current);
  const others: { readonly digest: Digest; readonly path: string }[] = [];
  for (const candidate of [
    await slotRelease(paths, otherSlot(current)),
    ...(await listKept(paths)),
  ]) {
    if (candidate === undefined || candidate.digest === running?.digest) continue;
    if (others.every(({ digest }) => digest !== candidate.digest)) others.push(candidate);
  }
  const first = running === undefined ? [] : [{ ...running, back: 0 }];
  return [...first, ...others.map(({ digest, path }, i) => ({ digest, back: i + 1, path }))];
}

async function slotRelease(
  paths: DevicePaths,
  slot: SlotName,
): Promise<{ readonly digest: Digest; readonly path: string } | undefined> {
  const digest = await slotDigest(paths, slot);
  return digest === undefined ? undefined : { digest, path: slotPath(paths, slot) };
}

/** Prints the releases with the numbers that `rollback` takes; changes nothing. */
export async function printReleases(paths: DevicePaths, output: Output): Promise<void> {
  const releases = await heldReleases(paths);
  const lines = releases.map(
    ({ digest, back }) => `${back}  ${digest}${back === 0 ? '  runs' : ''}`,
  );
  output.print(lines.join('\n') || 'no release is installed', { event: 'releases', releases });
}
