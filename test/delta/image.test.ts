import { describe, expect, it } from 'vitest';

import { listImages, readImage } from '../../delta/image.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { makeTar, prose, pushImage, putJson } from './support.ts';

const TAR = makeTar([{ name: 'a', bytes: prose(1000, 1) }]);

function store(): BlobStore {
  return new BlobStore(createMemoryStore());
}

async function sizeOf(blobs: BlobStore, digest: Digest): Promise<number> {
  return (await blobs.stat(digest))?.size ?? 0;
}

describe('readImage', () => {
  it('reads manifest, config, platform and layers', async () => {
    const blobs = store();
    const digest = await pushImage(blobs, [TAR], { architecture: 'arm', variant: 'v7' });
    const image = await readImage(blobs, digest);
    expect(image.platform).toBe('linux/arm/v7');
    expect(image.layers.map((layer) => layer.diffId)).toEqual([digestOf(TAR)]);
    expect(digestOf(image.manifestBytes)).toBe(digest);
    expect(digestOf(image.configBytes)).toBe(image.config.digest);
    expect(image.manifest.size).toBe(image.manifestBytes.length);
  });

  const config = { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [digestOf(TAR)] } };
  const layer = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestOf(TAR), size: 1 };

  it.each<[string, unknown, unknown, RegExp]>([
    ['no layers array', {}, config, /layers is no array/],
    [
      'a layer without digest',
      { layers: [{ mediaType: 'x', size: 1 }] },
      config,
      /layers\[0\].digest/,
    ],
    [
      'more layers than diff_ids',
      { layers: [layer, layer] },
      config,
      /2 layers, its config 1 diff_ids/,
    ],
    ['no rootfs', { layers: [] }, { os: 'linux', architecture: 'amd64' }, /rootfs is no object/],
    ['a config without os', { layers: [] }, { rootfs: { diff_ids: [] } }, /os is no string/],
    [
      'a negative size',
      { layers: [{ ...layer, size: -1 }] },
      config,
      /layers\[0\].size is no size/,
    ],
    ['another type', { mediaType: MEDIA_TYPES.ociIndex, layers: [layer] }, config, /its type is/],
  ])('refuses %s', async (_name, manifest, configJson, message) => {
    const blobs = store();
    const written = await putJson(blobs, configJson);
    const { digest } = await putJson(blobs, {
      config: { mediaType: MEDIA_TYPES.ociConfig, ...written },
      ...(manifest as object),
    });
    const read = readImage(blobs, digest);
    await expect(read).rejects.toMatchObject({ code: 'corrupt' });
    await expect(read).rejects.toThrow(message);
  });

  it('refuses what is no JSON, a lying config size, a missing and a damaged blob', async () => {
    const blobs = store();
    const garbage = await blobs.putBytes(Buffer.from('{"layers":'));
    await expect(readImage(blobs, garbage.digest)).rejects.toMatchObject({ code: 'corrupt' });

    const good = await putJson(blobs, config);
    const lying = await putJson(blobs, {
      config: { mediaType: MEDIA_TYPES.ociConfig, ...good, size: good.size + 1 },
      layers: [layer],
    });
    await expect(readImage(blobs, lying.digest)).rejects.toThrow(/its descriptor says/);

    const absent = digestOf(Buffer.from('absent'));
    await expect(readImage(blobs, absent)).rejects.toMatchObject({ code: 'missing' });
  });

  it('refuses documents beyond 4 MiB', async () => {
    const blobs = store();
    const { digest } = await blobs.putBytes(Buffer.alloc(4 * 1024 * 1024 + 1, ' '));
    await expect(readImage(blobs, digest)).rejects.toMatchObject({ code: 'too_large' });
  });
});

describe('listImages', () => {
  it('gives an image as itself', async () => {
    const blobs = store();
    const digest = await pushImage(blobs, [TAR]);
    const images = await listImages(blobs, digest);
    expect(images.map((image) => [image.platform, image.manifest.digest])).toEqual([
      ['linux/amd64', digest],
    ]);
  });

  it('follows nested indexes, leaves attestations out, keeps order, lists each image once', async () => {
    const blobs = store();
    const amd64 = await pushImage(blobs, [TAR]);
    const arm64 = await pushImage(blobs, [TAR], { architecture: 'arm64', variant: 'v8' });
    const manifest = async (digest: Digest, platform?: object): Promise<object> => ({
      mediaType: MEDIA_TYPES.ociManifest,
      digest,
      size: await sizeOf(blobs, digest),
      ...(platform !== undefined && { platform }),
    });
    const inner = await putJson(blobs, {
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [
        await manifest(arm64, { os: 'linux', architecture: 'arm64', variant: 'v8' }),
        await manifest(amd64),
      ],
    });
    const outer = await putJson(blobs, {
      manifests: [
        await manifest(amd64, { os: 'linux', architecture: 'amd64' }),
        await manifest(digestOf(Buffer.from('?')), { os: 'unknown', architecture: 'unknown' }),
        { mediaType: MEDIA_TYPES.ociIndex, ...inner },
      ],
    });
    const images = await listImages(blobs, outer.digest);
    expect(images.map((image) => image.platform)).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('names the index whose child is missing', async () => {
    const blobs = store();
    const absent = digestOf(Buffer.from('absent'));
    const index = await putJson(blobs, {
      manifests: [{ mediaType: MEDIA_TYPES.ociManifest, digest: absent, size: 3 }],
    });
    const listed = listImages(blobs, index.digest);
    await expect(listed).rejects.toMatchObject({ code: 'missing' });
    await expect(listed).rejects.toThrow(`${absent} in the index ${index.digest}`);
  });

  it('stops at a depth', async () => {
    const blobs = store();
    let child = await putJson(blobs, { manifests: [] });
    for (let depth = 0; depth < 6; depth += 1) {
      child = await putJson(blobs, {
        manifests: [{ mediaType: MEDIA_TYPES.ociIndex, ...child }],
      });
    }
    await expect(listImages(blobs, child.digest)).rejects.toThrow(/nested too deeply/);
  });
});
