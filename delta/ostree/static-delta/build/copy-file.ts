import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import type { Checksum } from '../../objects/checksum.ts';
import { findCopies } from './copy-finder.ts';
import { estimateBytes } from './cost.ts';
import { literalRanges, type FilePiece } from './file-coding.ts';
import { SOURCE_BYTES, type PricedCoding } from './patch-file.ts';
import { OPERATION_BYTES } from './segment-pieces.ts';

/** A source and its content. */
export interface CopySource {
  readonly checksum: Checksum;
  readonly content: RandomAccess;
}

/** Codes a file by what stands in several sources as it is; undefined when nothing does. */
export async function copyFile(
  sources: readonly CopySource[],
  fresh: RandomAccess,
  options: IoOptions,
): Promise<PricedCoding | undefined> {
  const copies = await findCopies(
    sources.map(({ content }) => content),
    fresh,
    options,
  );
  if (copies.length === 0) return undefined;
  const pieces: FilePiece[] = [];
  const used = new Set<Checksum>();
  let done = 0;
  const literal = (end: number): void => {
    if (end > done) pieces.push({ kind: 'literal', offset: done, length: end - done });
  };
  for (const { newOffset, source, sourceOffset, length } of copies) {
    const checksum = sources[source]?.checksum;
    if (checksum === undefined) continue;
    literal(newOffset);
    pieces.push({ kind: 'copy', source: checksum, offset: sourceOffset, length });
    used.add(checksum);
    done = newOffset + length;
  }
  literal(fresh.size);
  const literals = await estimateBytes(fresh, literalRanges(pieces));
  const cost = SOURCE_BYTES * used.size + OPERATION_BYTES * pieces.length + literals;
  return { coding: { kind: 'pieces', pieces }, cost };
}
