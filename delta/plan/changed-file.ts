import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import type { Reason } from '../format/notes.ts';
import type { Instruction } from './instruction.ts';
import type { OldRange } from './old-ranges.ts';

/** New bytes that no base tar has, and what they may come from. */
export interface ChangedFile {
  readonly offset: number;
  readonly length: number;
  /** What they most likely come from. */
  readonly old?: OldRange | undefined;
  /** Further old bytes that may hold a part of them. */
  readonly others?: readonly OldRange[] | undefined;
  /** Bytes of output between the last changed file and this one that are not plainly copied. */
  readonly workBefore?: number | undefined;
}

/** How a changed file is coded. */
export interface Choice {
  readonly codec: number;
  readonly reason: Reason;
  readonly instructions: readonly Instruction[];
}

export interface ChangedFilesInput extends IoOptions {
  readonly files: readonly ChangedFile[];
  /** The new bytes that `files` are ranges of. */
  readonly output: RandomAccess;
  readonly bases: readonly RandomAccess[];
  readonly codecs: CodecRegistry;
  readonly scratch: string;
  readonly onCompared?: ((bytes: number) => void) | undefined;
}
