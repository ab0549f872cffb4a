import { createReadStream } from 'node:fs';

import { digestAlgorithm, DigestHasher, type Digest } from '../../../storage/digest.ts';
import { tarEntries, type TarFile } from '../../ostree/from-tar/tar-entries.ts';
import { DeviceError } from '../errors.ts';
import { layoutBlob } from '../paths.ts';
import type { SlotImage } from '../slot.ts';

/**
 * The entries of one layer of a release. The layer is digested as it is read: `corrupt` at its end
 * when it is not the one that the release names, so nothing made of it may be used before.
 */
export async function* layerEntries(
  release: SlotImage,
  diffId: Digest,
  signal: AbortSignal,
): AsyncGenerator<TarFile, void> {
  const hasher = new DigestHasher(digestAlgorithm(diffId));
  const path = layoutBlob(release.path, diffId);
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const bytes of createReadStream(path, { signal, highWaterMark: 1 << 18 })) {
      hasher.update(bytes as Buffer);
      yield bytes as Buffer;
    }
  };
  yield* tarEntries(source());
  if (hasher.digest() !== diffId) {
    throw new DeviceError(
      'corrupt',
      `the layer ${diffId} in ${release.path} is damaged; "rivulet-device repair" fetches what is broken`,
    );
  }
}
