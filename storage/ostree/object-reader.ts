import type { BlobReader } from '../blob-store.ts';
import type { OstreeChunkRow } from '../catalog/ostree-catalog.ts';
import { joinChunks, readRun } from '../chunk/restore.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange, IoOptions } from '../object-store.ts';

/**
 * The bytes of an object's content, or those of the range, in bounded memory. `chunks` are those that
 * overlap the range, in order (`OstreeCatalog.chunksOf`). Neighbouring frames of a pack are read in one
 * range; every chunk's digest is checked before any of it is yielded.
 *
 * Throws `range_unsatisfiable` when the chunks do not hold the range without a gap, `missing` for a lost
 * pack, `corrupt` or `digest_mismatch` for damaged bytes, `aborted`, and the store's faults.
 */
export async function* openContent(
  blobs: BlobReader,
  chunks: readonly OstreeChunkRow[],
  options: IoOptions & { readonly range?: ByteRange | undefined } = {},
): AsyncIterable<Buffer> {
  const { start, endExclusive } = options.range ?? wholeOf(chunks);
  const wanted = chunks.filter((c) => c.start < endExclusive && c.start + c.rawLength > start);
  checkCover(wanted, start, endExclusive);
  for (const run of joinChunks(wanted, 0)) {
    let at = run[0].start;
    for await (const raw of readRun(blobs, run[0].pack, run, options)) {
      yield raw.subarray(Math.max(0, start - at), Math.min(raw.length, endExclusive - at));
      at += raw.length;
    }
  }
}

function wholeOf(chunks: readonly OstreeChunkRow[]): ByteRange {
  const last = chunks.at(-1);
  return { start: 0, endExclusive: last === undefined ? 0 : last.start + last.rawLength };
}

/** Chunks that follow one another and hold every byte of the range. */
function checkCover(chunks: readonly OstreeChunkRow[], start: number, endExclusive: number): void {
  let covered = start;
  for (const [index, chunk] of chunks.entries()) {
    if (index === 0 ? chunk.start > start : chunk.start !== covered) break;
    covered = chunk.start + chunk.rawLength;
  }
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(endExclusive) && start >= 0;
  if (valid && covered >= endExclusive) return;
  throw new StorageError(
    'range_unsatisfiable',
    `bytes ${start} to ${endExclusive} of an object: its chunks hold them up to ${covered}`,
    { detail: { start, endExclusive, covered } },
  );
}
