import type { Tool } from '../tools.ts';

/** One delta to make and to apply. */
export interface Job {
  readonly oldFile: string;
  readonly newFile: string;
  /** To be made by encoding: a file, or a folder whose files count together. */
  readonly delta: string;
  /** To be made by decoding: the new file again. */
  readonly made: string;
  /** An empty folder of the job's own. */
  readonly scratch: string;
  /** Runs a program whose use counts. */
  readonly run: (
    command: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<void>;
}

/** A program that makes and applies deltas, run as a user would. */
export interface Coder {
  /** For options and JSON. */
  readonly name: string;
  readonly title: string;
  readonly tool: Pick<Tool, 'name' | 'version'>;
  encode(job: Job): Promise<void>;
  decode(job: Job): Promise<void>;
}
