import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import { MEDIA_TYPES, type Descriptor, type Platform } from '../../storage/descriptor.ts';
import { digestHex, digestOf, type Digest } from '../../storage/digest.ts';

const compress = promisify(gzip);

/** A layer as CI makes it: one tar for every platform that shares it. */
export interface LayerContent {
  /** For the image history. */
  readonly what: string;
  readonly tar: Buffer;
}

export interface PlatformImage {
  readonly platform: Platform;
  readonly layers: readonly LayerContent[];
}

/** What was written for one platform, for checking devices against. */
export interface WrittenImage {
  readonly platform: Platform;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly (Descriptor & { readonly diffId: Digest; readonly tar: Buffer })[];
}

const CREATED = '2026-01-01T00:00:00Z';

/** Writes a multi-arch release as an OCI image layout with gzip layers, and tags it. */
export async function writeRelease(
  dir: string,
  tag: string,
  images: readonly PlatformImage[],
): Promise<readonly WrittenImage[]> {
  await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true });
  const layout = new LayoutWriter(dir);
  const written: WrittenImage[] = [];
  for (const image of images) written.push(await writeImage(layout, image));
  const index = await layout.json(MEDIA_TYPES.ociIndex, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: written.map(({ manifest, platform }) => ({ ...manifest, platform })),
  });
  const root = { ...index, annotations: { 'org.opencontainers.image.ref.name': tag } };
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(dir, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [root] }),
  );
  return written;
}

async function writeImage(layout: LayoutWriter, image: PlatformImage): Promise<WrittenImage> {
  const layers = [];
  for (const { tar } of image.layers) {
    const descriptor = await layout.layer(tar);
    layers.push({ ...descriptor, tar, diffId: digestOf(tar) });
  }
  const config = await layout.json(MEDIA_TYPES.ociConfig, {
    created: CREATED,
    ...image.platform,
    config: { Entrypoint: ['/usr/bin/esbuild'], WorkingDir: '/app' },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: image.layers.map(({ what }) => ({ created: CREATED, created_by: what })),
  });
  const manifest = await layout.json(MEDIA_TYPES.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config,
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  });
  return { platform: image.platform, manifest, config, layers };
}

class LayoutWriter {
  readonly #dir: string;
  readonly #layers = new Map<string, Descriptor>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async json(mediaType: string, value: unknown): Promise<Descriptor> {
    return this.#blob(mediaType, Buffer.from(JSON.stringify(value)));
  }

  /** A gzip layer; a tar that several platforms share is compressed once. */
  async layer(tar: Buffer): Promise<Descriptor> {
    const key = createHash('sha256').update(tar).digest('hex');
    const known = this.#layers.get(key);
    if (known !== undefined) return known;
    const made = await this.#blob(MEDIA_TYPES.ociLayerGzip, await compress(tar, { level: 6 }));
    this.#layers.set(key, made);
    return made;
  }

  async #blob(mediaType: string, bytes: Buffer): Promise<Descriptor> {
    const digest = digestOf(bytes);
    await writeFile(join(this.#dir, 'blobs', 'sha256', digestHex(digest)), bytes);
    return { mediaType, digest, size: bytes.length };
  }
}
