import type { Digest } from '../../../storage/digest.ts';
import type { NeededBlob } from './needs.ts';

/**
 * What must not be evicted, in the order in which it is named, as far as `maxBytes` go. A blob that does not
 * fit is passed over; smaller ones may still follow. Pure.
 */
export function pinnedBlobs(needed: Iterable<NeededBlob>, maxBytes: number): ReadonlySet<Digest> {
  const pinned = new Set<Digest>();
  let bytes = 0;
  for (const { digest, size } of needed) {
    if (pinned.has(digest) || bytes + size > maxBytes) continue;
    pinned.add(digest);
    bytes += size;
  }
  return pinned;
}

/** Items as far as `maxBytes` go, in their order; one that does not fit is left out. Pure. */
export function withinBudget<T extends { readonly bytes: number }>(
  items: readonly T[],
  maxBytes: number,
): { readonly chosen: readonly T[]; readonly left: readonly T[] } {
  const chosen: T[] = [];
  const left: T[] = [];
  let bytes = 0;
  for (const item of items) {
    if (bytes + item.bytes > maxBytes) {
      left.push(item);
      continue;
    }
    chosen.push(item);
    bytes += item.bytes;
  }
  return { chosen, left };
}
