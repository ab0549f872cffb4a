import type { RandomAccess } from '../../../../storage/random-access.ts';
import type { Checksum } from '../../objects/checksum.ts';
import type { Range } from './cost.ts';

/** A stretch of a file that is put together from pieces. */
export type FilePiece =
  /** Its own bytes from `offset` on travel in the delta. */
  | ({ readonly kind: 'literal' } & Range)
  /** Bytes of a file that the client has. */
  | ({ readonly kind: 'copy'; readonly source: Checksum } & Range);

/** How a part makes a regular file. */
export type FileCoding =
  /** All its bytes travel. */
  | { readonly kind: 'whole' }
  /** Pieces in order; together they are the file. */
  | { readonly kind: 'pieces'; readonly pieces: readonly FilePiece[] }
  /** A bsdiff stream against one source. */
  | { readonly kind: 'patch'; readonly source: Checksum; readonly stream: RandomAccess }
  /** It travels outside of the delta, as the object that it is. */
  | { readonly kind: 'fallback'; readonly compressedBytes: number };

/** The literal stretches of a file coded in pieces. */
export function literalRanges(pieces: readonly FilePiece[]): readonly Range[] {
  return pieces.filter(({ kind }) => kind === 'literal');
}
