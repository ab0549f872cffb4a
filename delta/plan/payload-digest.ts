import { createHash } from 'node:crypto';

import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { checkAborted } from '../errors.ts';
import type { TarEntry } from '../tree/walk.ts';

const READ_BYTES = 1024 * 1024;

/** sha256 of an entry's payload, one character a byte; undefined when it has none. */
export async function payloadDigest(
  tar: RandomAccess,
  entry: TarEntry,
  { signal }: IoOptions,
): Promise<string | undefined> {
  if (entry.payloadBytes === 0) return undefined;
  const hash = createHash('sha256');
  const end = entry.payloadStart + entry.payloadBytes;
  for (let at = entry.payloadStart; at < end; at += READ_BYTES) {
    checkAborted(signal, 'reading a tar');
    hash.update(await tar.read(at, Math.min(READ_BYTES, end - at)));
  }
  return hash.digest('binary');
}
