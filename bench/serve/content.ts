import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { digestOf, type Digest } from '../../storage/digest.ts';
import type { Scale } from './options.ts';

/** One blob that is served, and its bytes on the disk. */
export interface BenchBlob {
  readonly digest: Digest;
  readonly file: string;
  readonly bytes: number;
}

export const SMALL_BYTES = 4096;

/** What the servers serve: the same random bytes for each. */
export interface Content {
  readonly small: readonly BenchBlob[];
  readonly large: readonly BenchBlob[];
  readonly many: readonly BenchBlob[];
}

export async function makeContent(
  dir: string,
  scale: Pick<Scale, 'manyBlobs' | 'largeBytes'>,
): Promise<Content> {
  await mkdir(dir, { recursive: true });
  const many: BenchBlob[] = [];
  for (let count = 0; count < scale.manyBlobs; count += 1) {
    many.push(await makeBlob(dir, SMALL_BYTES));
  }
  return {
    small: [await makeBlob(dir, SMALL_BYTES)],
    large: [await makeBlob(dir, scale.largeBytes)],
    many,
  };
}

async function makeBlob(dir: string, bytes: number): Promise<BenchBlob> {
  const content = randomBytes(bytes);
  const digest = digestOf(content);
  const file = join(dir, fileName(digest));
  await writeFile(file, content);
  return { digest, file, bytes };
}

/** The name of a blob's file in the folder of the content, which is what nginx serves. */
export function fileName(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}
