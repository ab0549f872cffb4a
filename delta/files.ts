import type { IoOptions } from '../storage/object-store.ts';
import type { BuildReport, Profile } from './build.ts';
import { DeltaError } from './errors.ts';

export interface FileDeltaOptions extends IoOptions {
  /** Path of the old file. */
  readonly old: string;
  /** Path of the new file. */
  readonly new: string;
  /** Path of the delta to write; left absent on failure. */
  readonly output: string;
  /** Folder for temporary files. */
  readonly scratch: string;
  readonly profile: Profile;
  /** 0 to 1, ascending. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
}

/** Builds a delta between two files; two tars are recognised and coded entry by entry. */
export async function buildFileDelta(options: FileDeltaOptions): Promise<BuildReport> {
  await Promise.resolve();
  throw new DeltaError('bad_format', `not yet ${options.output}`);
}

/**
 * Applies a file or tar delta: `old` is hashed first (`wrong_base` when it is another file), the
 * output is written beside its place and renamed once its digest is right.
 */
export async function applyFileDelta(
  options: IoOptions & {
    readonly old: string;
    readonly delta: string;
    readonly output: string;
    readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  },
): Promise<void> {
  await Promise.resolve();
  throw new DeltaError('bad_format', `not yet ${options.output}`);
}
