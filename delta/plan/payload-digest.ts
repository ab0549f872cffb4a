import { DigestHasher } from '../../storage/digest.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { hashRange } from '../digest-range.ts';
import type { TarEntry } from '../tree/walk.ts';

/** The digest of an entry's payload; undefined when it has none. */
export async function payloadDigest(
  tar: RandomAccess,
  { payloadStart, payloadBytes }: TarEntry,
  options: IoOptions,
): Promise<string | undefined> {
  if (payloadBytes === 0) return undefined;
  const hasher = new DigestHasher();
  await hashRange(tar, { start: payloadStart, length: payloadBytes }, [hasher], options);
  return hasher.digest();
}
