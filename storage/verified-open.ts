import { Readable } from 'node:stream';

import { readBlob, type BlobReader } from './blob-store.ts';
import { DigestHasher, digestAlgorithm, type Digest } from './digest.ts';
import { StorageError, isStorageError } from './errors.ts';
import type { ByteRange, IoOptions } from './object-store.ts';

/** Blobs up to here are read whole and checked before a byte is handed on. */
export const SMALL_BYTES = 256 * 1024;

export type OpenVerified = (range: ByteRange, signal: AbortSignal | undefined) => Promise<Readable>;

/**
 * How to read a blob of `size` bytes from a store whose bytes may be damaged, or garbled on the way. A
 * small one is read here and now, again when it is wrong, and `corrupt` when it is wrong twice: any
 * range of it is then good. Of a larger one a read of all of it is checked as it passes, the last
 * piece held back until the digest is right: who reads never gets a whole that is wrong. A range of
 * it can't be checked by the blob's digest; who asked for it checks it.
 */
export async function openVerified(
  blobs: BlobReader,
  digest: Digest,
  size: number,
  options: IoOptions = {},
): Promise<OpenVerified> {
  if (size <= SMALL_BYTES) {
    const bytes = await readSmall(blobs, digest, options);
    return ({ start, endExclusive }) =>
      Promise.resolve(Readable.from([bytes.subarray(start, endExclusive)]));
  }
  return async (range, signal) => {
    const stream = await blobs.open(digest, { range, signal });
    const whole = range.start === 0 && range.endExclusive === size;
    return whole ? Readable.from(checkedPieces(stream, digest), { objectMode: false }) : stream;
  };
}

async function readSmall(blobs: BlobReader, digest: Digest, options: IoOptions): Promise<Buffer> {
  try {
    return await readBlob(blobs, digest, { ...options, maxBytes: SMALL_BYTES });
  } catch (error) {
    if (!isStorageError(error, 'digest_mismatch')) throw error;
    throw corrupt(digest);
  }
}

async function* checkedPieces(stream: Readable, digest: Digest): AsyncGenerator<Buffer> {
  const hasher = new DigestHasher(digestAlgorithm(digest));
  let held: Buffer | undefined;
  for await (const piece of stream) {
    hasher.update(piece as Buffer);
    if (held !== undefined) yield held;
    held = piece as Buffer;
  }
  if (hasher.digest() !== digest) throw corrupt(digest);
  if (held !== undefined) yield held;
}

function corrupt(digest: Digest): StorageError {
  return new StorageError(
    'corrupt',
    `the store's bytes of ${digest} are not what it says: run rivulet fsck`,
    { detail: { digest } },
  );
}
