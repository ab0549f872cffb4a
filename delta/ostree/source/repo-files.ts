import type { SourceOptions } from './object-source.ts';

/** The files of an archive repository, wherever they are. Throws `unavailable`, `aborted`. */
export interface RepoFiles {
  /** Names the repository in messages. */
  readonly label: string;
  /** How many files are best asked for at once. */
  readonly concurrency: number;
  /** A whole file, or undefined when it is not there; `too_large` past `maxBytes`. */
  read(path: string, maxBytes: number, options?: SourceOptions): Promise<Buffer | undefined>;
  /** A file's bytes, or undefined when it is not there; aborting the signal closes it. */
  open(path: string, options?: SourceOptions): Promise<AsyncIterable<Buffer> | undefined>;
}
