import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { Reason } from '../format/notes.ts';

/** `length` new bytes that resemble as many old ones: coded as old bytes plus differences. */
export interface Match {
  readonly newOffset: number;
  readonly oldOffset: number;
  readonly length: number;
}

/** Old and new bytes to be compared, and where to work. */
export interface AlignInput extends IoOptions {
  readonly old: RandomAccess;
  readonly new: RandomAccess;
  /** Folder for temporary files; the codec removes what it makes. */
  readonly scratch: string;
}

/** Matches ascend by `newOffset`, do not overlap there, and lie within both inputs. */
export type Alignment =
  | { readonly kind: 'aligned'; readonly matches: readonly Match[] }
  | { readonly kind: 'declined'; readonly reason: Reason };

/**
 * A way to find what changed. A codec only aligns: the planner prices its alignment against the other
 * candidates, and the container's instructions (FORMAT.md, "Frames") carry it out, so that a new codec
 * costs the device no new code unless it brings an instruction of its own.
 */
export interface Codec {
  /** Its number in notes (FORMAT.md). */
  readonly id: number;
  readonly name: string;
  /** True if it gains from several files at once, one after another: moved content is found. */
  readonly isSolid: boolean;
  align(input: AlignInput): Promise<Alignment>;
}
