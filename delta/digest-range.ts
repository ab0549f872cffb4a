import { setImmediate } from 'node:timers/promises';

import { DigestHasher, type Digest } from '../storage/digest.ts';
import type { IoOptions } from '../storage/object-store.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { checkAborted } from './errors.ts';

const READ_BYTES = 256 * 1024;

/** Feeds a range to hashers through one buffer: a device has no room for what a collector would pick up. */
export async function hashRange(
  source: RandomAccess,
  range: { readonly start: number; readonly length: number },
  hashers: readonly DigestHasher[],
  { signal }: IoOptions,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, range.length));
  for (let done = 0; done < range.length; done += buffer.length) {
    checkAborted(signal, 'reading a file');
    const part = buffer.subarray(0, Math.min(buffer.length, range.length - done));
    source.readSync(range.start + done, part);
    for (const hasher of hashers) hasher.update(part);
    await setImmediate();
  }
}

/** sha256 of everything a source has. */
export async function digestOfAll(source: RandomAccess, options: IoOptions): Promise<Digest> {
  const hasher = new DigestHasher();
  await hashRange(source, { start: 0, length: source.size }, [hasher], options);
  return hasher.digest();
}
