import { open, rm } from 'node:fs/promises';

import { digestAlgorithm, DigestHasher, type Digest } from '../../storage/digest.ts';
import { DeviceError } from './errors.ts';

/**
 * Writes a layer's bytes to `path`, a temporary name that is taken anew (what is there may be linked
 * from elsewhere), durably. Throws `corrupt` when they are not the layer; then, as on every error,
 * nothing stays.
 */
export async function writeLayerFile(
  path: string,
  diffId: Digest,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  await rm(path, { force: true });
  const hasher = new DigestHasher(digestAlgorithm(diffId));
  const file = await open(path, 'wx');
  try {
    for await (const bytes of source) {
      hasher.update(bytes);
      await file.writeFile(bytes);
      signal.throwIfAborted();
    }
    await file.sync();
    const digest = hasher.digest();
    if (digest !== diffId) {
      throw new DeviceError('corrupt', `the layer ${diffId} came out as ${digest}`);
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
