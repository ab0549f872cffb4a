import type { BlobCache } from '../blob-cache.ts';
import type { OriginBlob } from '../upstream-blobs.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import type { Admit } from './item.ts';

export interface KeepOptions {
  readonly admit: Admit;
  readonly signal: AbortSignal;
  /** Fetched in one request; whole blocks. */
  readonly pieceBytes: number;
}

/**
 * Brings ranges of a blob here piece by piece, with a look at what is allowed before each; what is here
 * already is not fetched again. False: not all of it, since nothing may be fetched now.
 */
export async function keepRanges(
  blobs: Pick<BlobCache, 'keepRange'>,
  blob: OriginBlob,
  ranges: readonly ByteRange[],
  { admit, signal, pieceBytes }: KeepOptions,
): Promise<boolean> {
  for (const range of ranges) {
    const end = Math.min(range.endExclusive, blob.size);
    for (let start = range.start; start < end; start += pieceBytes) {
      const piece = { start, endExclusive: Math.min(start + pieceBytes, end) };
      if (!(await blobs.keepRange(blob, piece, { admit, signal }))) return false;
    }
  }
  return true;
}

/** As {@link keepRanges}, all of a blob, which is then checked. */
export async function keepBlob(
  blobs: Pick<BlobCache, 'keepRange' | 'keep'>,
  blob: OriginBlob,
  options: KeepOptions,
): Promise<boolean> {
  const whole = { start: 0, endExclusive: blob.size };
  if (!(await keepRanges(blobs, blob, [whole], options))) return false;
  await blobs.keep(blob, options);
  return true;
}
