import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';

import type { IoOptions } from '../../storage/object-store.ts';
import { checkAborted, DeltaError } from '../errors.ts';

/** bsdiff's generator: writes a `BSDIFF40` patch file from two files. */
export interface BsdiffGenerator {
  /** `budget` when it was stopped after `budgetMs` or got no memory. */
  diff(
    files: { readonly old: string; readonly new: string; readonly patch: string },
    options: IoOptions & { readonly budgetMs: number },
  ): Promise<'done' | 'budget'>;
}

/**
 * bsdiff can't be interrupted, takes 17 bytes of memory per old byte and exits when it gets none: it
 * runs in a process of its own. Without file names it only proves that the library loads.
 */
const PROGRAM = `
const [library, oldFile, newFile, patchFile] = process.argv.slice(1);
const bsdiff = require(library);
if (oldFile !== undefined) bsdiff.diffSync(oldFile, newFile, patchFile);
`;
const PROBE_MS = 30_000;
const MAX_STDERR_BYTES = 4096;
/** What bsdiff says when malloc fails (strerror of ENOMEM). */
const NO_MEMORY = 'Cannot allocate memory';

export type BsdiffLoad =
  | { readonly kind: 'loaded'; readonly generator: BsdiffGenerator }
  | { readonly kind: 'missing'; readonly why: string };

/** Finds and tries bsdiff-node, an optional dependency that needs a compiler when it is installed. */
export async function loadBsdiff(
  resolve: (name: string) => string = createRequire(import.meta.url).resolve,
): Promise<BsdiffLoad> {
  let library: string;
  try {
    library = resolve('bsdiff-node');
    await run([library], { budgetMs: PROBE_MS });
  } catch (error) {
    return { kind: 'missing', why: (error instanceof Error ? error.message : '').slice(0, 200) };
  }
  return {
    kind: 'loaded',
    generator: {
      diff: (files, options) => run([library, files.old, files.new, files.patch], options),
    },
  };
}

async function run(
  args: readonly string[],
  { budgetMs, signal }: IoOptions & { readonly budgetMs: number },
): Promise<'done' | 'budget'> {
  checkAborted(signal, 'bsdiff');
  const child = spawn(process.execPath, ['-e', PROGRAM, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let complaint = '';
  const stop = (): void => {
    child.kill('SIGKILL');
  };
  const timer = setTimeout(stop, budgetMs);
  signal?.addEventListener('abort', stop, { once: true });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, MAX_STDERR_BYTES);
  });
  try {
    const status = await new Promise<number | null>((done, fail) => {
      child.once('error', fail).once('close', done);
    });
    checkAborted(signal, 'bsdiff');
    if (status === 0) return 'done';
    // No status: killed, by the timer or by a system that ran out of memory.
    if (status === null || complaint.includes(NO_MEMORY)) return 'budget';
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
  const line = /^.*Error: .*$/m.exec(complaint)?.[0] ?? complaint.trim().slice(0, 200);
  throw new DeltaError('budget', `bsdiff failed: ${line}`, { detail: { complaint } });
}
