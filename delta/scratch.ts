import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { fromErrno } from '../storage/durable.ts';

/** Runs `work` with a folder of its own below `parent`, and removes it however that ends. */
export async function withScratch<T>(
  parent: string,
  prefix: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await make(parent, prefix);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function make(parent: string, prefix: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true });
    return await mkdtemp(join(parent, prefix));
  } catch (error) {
    throw fromErrno(error, `making a scratch folder in ${parent}`);
  }
}
