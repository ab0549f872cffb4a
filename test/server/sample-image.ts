import { gzipSync } from 'node:zlib';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { RepositoryCatalog } from '../../storage/catalog/repository-catalog.ts';
import {
  formatPlatform,
  MEDIA_TYPES,
  type Descriptor,
  type Platform,
} from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';

/** Where images are put, as a push would. */
export interface PushTarget {
  readonly blobs: BlobStore;
  readonly repositories: RepositoryCatalog;
  readonly repo: RepoName;
}

export type Files = Readonly<Record<string, Buffer>>;

/** Puts a real image with one gzip layer for each set of files; returns its manifest. */
export async function pushImage(
  target: PushTarget,
  platform: Platform,
  layers: readonly Files[],
  tag?: Tag,
): Promise<Descriptor> {
  const tars = layers.map(tarOf);
  const config = Buffer.from(
    JSON.stringify({
      ...platform,
      config: {},
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
    }),
  );
  const blobs: Descriptor[] = [await putBlob(target, MEDIA_TYPES.ociConfig, config)];
  for (const tar of tars) {
    blobs.push(await putBlob(target, MEDIA_TYPES.ociLayerGzip, gzipSync(tar)));
  }
  const [configDescriptor, ...layerDescriptors] = blobs;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: configDescriptor,
      layers: layerDescriptors,
    }),
  );
  const { digest, size } = await target.blobs.putBytes(manifest);
  const mediaType = MEDIA_TYPES.ociManifest;
  const children = blobs.map((blob, i) => ({
    digest: blob.digest,
    kind: i === 0 ? ('config' as const) : ('layer' as const),
  }));
  const row = { digest, mediaType, size, artifactType: MEDIA_TYPES.ociConfig };
  await target.repositories.putManifest(target.repo, row, children, tag);
  return { mediaType, digest, size, platform };
}

/** Puts an index of images under a tag. */
export async function pushIndex(
  target: PushTarget,
  images: readonly Descriptor[],
  tag: Tag,
): Promise<Digest> {
  const mediaType = MEDIA_TYPES.ociIndex;
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: images }));
  const { digest, size } = await target.blobs.putBytes(index);
  const children = images.map((image) => ({ digest: image.digest, kind: 'manifest' as const }));
  await target.repositories.putManifest(target.repo, { digest, mediaType, size }, children, tag);
  return digest;
}

/** Text that does not compress away: numbered lines of digests, from `seed`. */
export function incompressible(seed: string, bytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < bytes; i += 1) {
    parts.push(Buffer.from(digestOf(Buffer.from(`${seed}-${i}`)).slice(7), 'hex'));
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

export function platformName(image: Descriptor): string {
  return image.platform === undefined ? '' : formatPlatform(image.platform);
}

async function putBlob(
  { blobs, repositories, repo }: PushTarget,
  mediaType: string,
  bytes: Buffer,
): Promise<Descriptor> {
  const { digest, size } = await blobs.putBytes(bytes);
  await repositories.linkBlob(repo, digest, size);
  return { mediaType, digest, size };
}

/** A ustar archive (POSIX.1-1988) of regular files. */
function tarOf(files: Files): Buffer {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    parts.push(tarHeader(name, content.length), content);
    parts.push(Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
