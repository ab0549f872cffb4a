import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { makeScratch } from '../scratch.ts';
import { median } from '../serve/statistics.ts';
import type { Coder, Job } from './coder.ts';
import { fileDigest } from './file-digest.ts';
import { addUse, measure, NO_USE, type Use } from './measure.ts';

/** What a coder did on a pair; the new file came out of its delta again. */
export interface Done {
  readonly deltaBytes: number;
  readonly encode: Use;
  readonly decode: Use;
}

export type Outcome =
  ({ readonly state: 'done' } & Done) | { readonly state: 'failed'; readonly reason: string };

/** Two files on disk, and what the new one must come out as. */
export interface Task {
  readonly oldFile: string;
  readonly newFile: string;
  /** Of the new file, as hex. */
  readonly sha256: string;
}

/** Makes and applies a delta as many times as told; medians of the times and the peaks. */
export async function runCoder(coder: Coder, task: Task, rounds: number): Promise<Outcome> {
  const turns: Done[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) turns.push(await turn(coder, task));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { state: 'failed', reason };
  }
  return {
    state: 'done',
    deltaBytes: median(turns.map(({ deltaBytes }) => deltaBytes)),
    encode: medianUse(turns.map(({ encode }) => encode)),
    decode: medianUse(turns.map(({ decode }) => decode)),
  };
}

async function turn(coder: Coder, { oldFile, newFile, sha256 }: Task): Promise<Done> {
  const { path: dir, remove } = await makeScratch('coder');
  try {
    let use = NO_USE;
    const scratch = join(dir, 'scratch');
    await mkdir(scratch);
    const job: Job = {
      ...{ oldFile, newFile, scratch },
      ...{ delta: join(dir, 'delta'), made: join(dir, 'made') },
      run: async (command, args, env) => {
        use = addUse(use, await measure(command, args, env));
      },
    };
    await coder.encode(job);
    const encode = use;
    use = NO_USE;
    await coder.decode(job);
    if ((await fileDigest(job.made)) !== sha256) throw new Error('the new file came out different');
    return { deltaBytes: await bytesUnder(job.delta), encode, decode: use };
  } finally {
    await remove();
  }
}

function medianUse(uses: readonly Use[]): Use {
  const middle = (pick: (use: Use) => number): number => median(uses.map(pick));
  return {
    cpuSeconds: middle(({ cpuSeconds }) => cpuSeconds),
    wallSeconds: middle(({ wallSeconds }) => wallSeconds),
    peakBytes: middle(({ peakBytes }) => peakBytes),
  };
}

/** The size of a file, or of all files in a folder. */
async function bytesUnder(path: string): Promise<number> {
  const facts = await lstat(path);
  if (!facts.isDirectory()) return facts.size;
  let sum = 0;
  for (const name of await readdir(path)) sum += await bytesUnder(join(path, name));
  return sum;
}
