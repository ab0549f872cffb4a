import { expect, it } from 'vitest';

import { basePlatforms, ImageReader } from '../../../server/updates/images.ts';
import { BlobStore } from '../../../storage/blob-store.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf } from '../../../storage/digest.ts';

it.each<[string, readonly string[], readonly string[]]>([
  ['linux/amd64', ['linux/amd64', 'linux/arm64'], ['linux/amd64']],
  ['linux/arm', ['linux/arm', 'linux/arm/v7'], ['linux/arm']],
  ['linux/arm', ['linux/arm/v6', 'linux/arm/v7', 'linux/arm64'], ['linux/arm/v6', 'linux/arm/v7']],
  ['linux/arm/v7', ['linux/arm', 'linux/arm/v6'], ['linux/arm']],
  ['linux/arm/v7', ['linux/arm/v6'], []],
  ['linux/arm', ['windows/arm', 'linux/arm64'], []],
])('an image of %s is a base for %j: %j', (platform, atHand, expected) => {
  expect(basePlatforms(platform, atHand)).toEqual(expected);
});

it('goes by the platform of the index, reads once, and tries again what was missing', async () => {
  const blobs = new BlobStore(createMemoryStore());
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'arm', rootfs: { type: 'layers', diff_ids: [] } }),
  );
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: descriptor(MEDIA_TYPES.ociConfig, config),
      layers: [],
    }),
  );
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [{ ...descriptor(MEDIA_TYPES.ociManifest, manifest), platform }],
    }),
  );
  await blobs.putBytes(index);
  await blobs.putBytes(manifest);
  const reader = new ImageReader(blobs, 2);
  const digest = digestOf(index);
  const missing = await reader.read(digest);
  expect(missing).toMatchObject({ images: [], broken: [{ digest: digestOf(manifest) }] });

  await blobs.putBytes(config);
  const found = await reader.read(digest);
  expect(found.images.map((image) => image.platform)).toEqual(['linux/arm/v7']);
  await blobs.delete(digest);
  expect(await reader.read(digest)).toBe(found);
  expect((await reader.read(digestOf(manifest))).images[0]?.platform).toBe('linux/arm');
});
