import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Path of the program of a newer libostree, whose client is measured beside the installed one. */
export const CURRENT_OSTREE = 'RIVULET_OSTREE';

/** An unmodified `ostree`. */
export interface OstreeTool {
  readonly path: string;
  /** `2022.7`. */
  readonly version: string;
  /** Runs it to its end and resolves to what it printed; throws with its words when it fails. */
  run(...args: readonly string[]): Promise<string>;
}

/** The installed one, then the one in {@link CURRENT_OSTREE}. Throws when either does not run. */
export async function findOstrees(): Promise<readonly [OstreeTool, ...OstreeTool[]]> {
  const installed = await open('ostree').catch((cause: unknown) => {
    throw new Error('ostree is not installed: apt-get install ostree', { cause });
  });
  const given = process.env[CURRENT_OSTREE];
  return given === undefined || given === '' ? [installed] : [installed, await open(given)];
}

async function open(path: string): Promise<OstreeTool> {
  const { stdout } = await run(path, ['--version']);
  return {
    path,
    version: /Version: '([^']+)'/.exec(stdout)?.[1] ?? 'unknown',
    run: async (...args) => (await run(path, [...args], { maxBuffer: MAX_OUTPUT_BYTES })).stdout,
  };
}
