import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Recipe, Trees } from '../../bench/ostree/corpus/recipe.ts';
import { noise } from '../storage/chunk/material.ts';

/** Files beside the program. */
export const FILES = 20;

/** A program that changes a little, and files that stay. */
export async function unpack({ before, after }: Trees): Promise<readonly string[]> {
  const program = Buffer.from(noise(400_000, 'program'));
  for (const tree of [before, after]) {
    await mkdir(join(tree, 'usr', 'bin'), { recursive: true });
    await writeFile(join(tree, 'usr', 'bin', 'program'), program);
    for (let n = 0; n < FILES; n += 1) await writeFile(join(tree, 'usr', `f${n}`), `file ${n}`);
    noise(300, 'change').copy(program, 100_000);
  }
  return [];
}

export const LITTLE: Recipe = { name: 'little', title: 'a little tree', inputs: 'one', unpack };
