import { createHash, type Hash } from 'node:crypto';

import { StorageError } from '../../../storage/errors.ts';
import type { Checksum } from './checksum.ts';
import { formatStreamHeader, isSymlink, type FileHeader } from './file-header.ts';

/** Makes the checksum of a content object: sha256 over its stream header and its plain content. */
export class FileHasher {
  readonly #hash: Hash;
  readonly #isSymlink: boolean;
  #size = 0;

  /** Throws as {@link formatStreamHeader}. */
  constructor(header: FileHeader) {
    this.#hash = createHash('sha256').update(formatStreamHeader(header));
    this.#isSymlink = isSymlink(header);
  }

  /** Bytes of content so far. */
  get size(): number {
    return this.#size;
  }

  /** Throws `size_mismatch` for content of a symlink, which has none. */
  update(content: Uint8Array): this {
    this.#size += content.length;
    if (this.#isSymlink && this.#size > 0) {
      throw wrongContentSize(0, this.#size);
    }
    this.#hash.update(content);
    return this;
  }

  /** The object's checksum; the hasher is spent. */
  digest(): Checksum {
    return this.#hash.digest('hex') as Checksum;
  }
}

/** The checksum of a content object whose content streams by. Errors of the source pass through. */
export async function fileChecksum(
  header: FileHeader,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Checksum> {
  const hasher = new FileHasher(header);
  for await (const part of content) hasher.update(part);
  return hasher.digest();
}

/** `size_mismatch` of a content object, naming both sizes in bytes. */
export function wrongContentSize(expected: number, actual: number | string): StorageError {
  return new StorageError(
    'size_mismatch',
    `a file object: expected ${expected} bytes of content, got ${actual}`,
    { detail: { expected, actual } },
  );
}
