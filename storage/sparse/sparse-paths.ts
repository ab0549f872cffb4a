import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { digestAlgorithm, digestHex, type Digest } from '../digest.ts';
import { errnoOf } from '../durable.ts';
import { BlockMap, mapFileBytes } from './block-map.ts';

/** The two files of a sparse file. */
export interface SparsePaths {
  readonly data: string;
  readonly map: string;
}

export function sparsePaths(dir: string, digest: Digest): SparsePaths {
  const base = join(dir, `${digestAlgorithm(digest)}-${digestHex(digest)}`);
  return { data: `${base}.data`, map: `${base}.map` };
}

/** The map on disk; undefined when there is none, or one that is damaged or of another file. */
export async function readMap(
  paths: SparsePaths,
  size: number,
  blockBytes: number,
): Promise<BlockMap | undefined> {
  try {
    // The length is looked at first so that a foreign file is never read whole.
    const facts = await stat(paths.map);
    if (facts.size !== mapFileBytes(size, blockBytes)) return undefined;
    return BlockMap.parse(await readFile(paths.map), size, blockBytes);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
