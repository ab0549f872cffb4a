import { createHash } from 'node:crypto';

import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted } from '../../../errors.ts';
import type { FileObject } from './delta-objects.ts';

const PIECE_BYTES = 256 * 1024;

/** sha256 of a content alone; an object's checksum covers owner, mode and xattrs too. */
export async function contentDigest(content: RandomAccess, { signal }: IoOptions): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < content.size; at += PIECE_BYTES) {
    checkAborted(signal, 'comparing files');
    hash.update(await content.read(at, Math.min(PIECE_BYTES, content.size - at)));
  }
  return hash.digest('hex');
}

/** True if both contents are the same. Reads both no further than to where they differ. */
export async function isEqual(
  a: RandomAccess,
  b: RandomAccess,
  { signal }: IoOptions,
): Promise<boolean> {
  if (a.size !== b.size) return false;
  for (let at = 0; at < a.size; at += PIECE_BYTES) {
    checkAborted(signal, 'comparing files');
    const length = Math.min(PIECE_BYTES, a.size - at);
    if (!(await a.read(at, length)).equals(await b.read(at, length))) return false;
  }
  return true;
}

/** Tells which new files have the same content; only those of one size are read for it. */
export class ContentKeys {
  readonly #shared = new Set<number>();
  readonly #options: IoOptions;

  constructor(files: readonly FileObject[], options: IoOptions) {
    this.#options = options;
    const seen = new Set<number>();
    for (const { size } of files) {
      if (seen.has(size)) this.#shared.add(size);
      seen.add(size);
    }
  }

  /** The same for files with the same content; undefined for one that no other can equal. */
  async keyOf({ size }: FileObject, content: RandomAccess): Promise<string | undefined> {
    return this.#shared.has(size) ? contentDigest(content, this.#options) : undefined;
  }
}
