import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { deltaPath, type DeltaName } from '../../../delta/ostree/checksum-base64.ts';
import { parseSuperblock } from '../../../delta/ostree/static-delta/parse-superblock.ts';

/** What a static delta takes, in bytes as they are served. */
export interface DeltaBytes {
  readonly superblock: number;
  readonly parts: number;
  /** Of the objects that clients fetch beside the parts. */
  readonly fallbacks: number;
  readonly partCount: number;
  readonly fallbackCount: number;
}

export function totalBytes({ superblock, parts, fallbacks }: DeltaBytes): number {
  return superblock + parts + fallbacks;
}

/** Of a delta in a repository's folder; the part files have the size that the superblock says. */
export async function deltaBytesIn(repo: string, delta: DeltaName): Promise<DeltaBytes> {
  const bytes = await readFile(join(repo, deltaPath({ delta, file: 'superblock' })));
  const { parts, fallbacks } = parseSuperblock(bytes);
  let sum = 0;
  for (const [file, { size, inline }] of parts.entries()) {
    if (inline !== undefined) continue;
    const found = (await stat(join(repo, deltaPath({ delta, file })))).size;
    if (found !== size) throw new Error(`part ${file} has ${found} bytes, not ${size}`);
    sum += size;
  }
  return {
    superblock: bytes.length,
    parts: sum,
    fallbacks: fallbacks.reduce((total, { compressedBytes }) => total + compressedBytes, 0),
    partCount: parts.length,
    fallbackCount: fallbacks.length,
  };
}
