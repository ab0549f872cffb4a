import type { Readable } from 'node:stream';

import { digestAlgorithm, digestOf, verifyBytes, type Digest } from './digest.ts';
import { StorageError } from './errors.ts';
import { blobKey } from './keys.ts';
import type {
  ByteSource,
  IoOptions,
  ObjectStat,
  ObjectStore,
  OpenOptions,
} from './object-store.ts';

/** Reading blobs by digest: what builders, devices and servers need of a store. */
export interface BlobReader {
  /** Opens a blob or a range of it; `missing` when it is absent. The caller consumes or destroys the stream. */
  open(digest: Digest, options?: OpenOptions): Promise<Readable>;
  /** Undefined when the blob is missing. */
  stat(digest: Digest, options?: IoOptions): Promise<ObjectStat | undefined>;
}

/** Content-addressed blobs over an object store. Every byte is checked on its way in. */
export class BlobStore implements BlobReader {
  readonly objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  /** Stores a blob under its digest; `digest_mismatch` or `size_mismatch` leave nothing behind. */
  async put(
    digest: Digest,
    source: ByteSource,
    options: IoOptions & { readonly size?: number | undefined } = {},
  ): Promise<{ readonly size: number; readonly created: boolean }> {
    const { size, signal } = options;
    return this.objects.put(blobKey(digest), source, { expected: { digest, size }, signal });
  }

  /** Stores bytes held in memory and returns what they are called, and whether they are new. */
  async putBytes(
    bytes: Uint8Array,
    options: IoOptions & { readonly digest?: Digest | undefined } = {},
  ): Promise<{ readonly digest: Digest; readonly size: number; readonly created: boolean }> {
    const digest = options.digest ?? digestOf(bytes);
    const { signal } = options;
    return { digest, ...(await this.put(digest, [bytes], { size: bytes.length, signal })) };
  }

  async open(digest: Digest, options: OpenOptions = {}): Promise<Readable> {
    return this.objects.open(blobKey(digest), options);
  }

  async stat(digest: Digest, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    return this.objects.stat(blobKey(digest), options);
  }

  async delete(digest: Digest, options: IoOptions = {}): Promise<void> {
    await this.objects.delete(blobKey(digest), options);
  }

  /** The file that holds the blob, where the driver has one. */
  filePath(digest: Digest): string | undefined {
    return this.objects.filePath?.(blobKey(digest));
  }
}

/**
 * Reads a whole small blob and checks its digest. Bytes that are not the blob's are read once more,
 * since a remote store may garble them on the way. Throws `missing`, `too_large` past `maxBytes`, or
 * `digest_mismatch`.
 */
export async function readBlob(
  blobs: BlobReader,
  digest: Digest,
  options: IoOptions & { readonly maxBytes: number },
): Promise<Buffer> {
  const what = `${digestAlgorithm(digest)} blob`;
  const bytes = await readWhole(blobs, digest, options);
  try {
    verifyBytes(bytes, { digest }, what);
    return bytes;
  } catch {
    const again = await readWhole(blobs, digest, options);
    verifyBytes(again, { digest }, what);
    return again;
  }
}

async function readWhole(
  blobs: BlobReader,
  digest: Digest,
  options: IoOptions & { readonly maxBytes: number },
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of await blobs.open(digest, { signal: options.signal })) {
    const bytes = part as Buffer;
    size += bytes.length;
    if (size > options.maxBytes) {
      throw new StorageError('too_large', `${digest} is larger than ${options.maxBytes} bytes`, {
        detail: { digest, maxBytes: options.maxBytes },
      });
    }
    parts.push(bytes);
  }
  return Buffer.concat(parts, size);
}
