import type { Digest } from '../digest.ts';
import type { ByteRange } from '../object-store.ts';
import { BLOCK_BYTES, type SparseStore } from './sparse-store.ts';

/** True if every byte of the ranges is in a present block of a blob, which is not opened for it. */
export async function sparseHas(
  store: SparseStore,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  ranges: readonly ByteRange[],
): Promise<boolean> {
  const map = await store.readMap(digest, size);
  if (map === undefined) return false;
  return ranges.every(({ start, endExclusive }) => {
    const end = Math.ceil(endExclusive / BLOCK_BYTES);
    for (let block = Math.floor(start / BLOCK_BYTES); block < end; block += 1) {
      if (!map.has(block)) return false;
    }
    return true;
  });
}
