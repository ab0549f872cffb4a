import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { MEDIA_TYPES, type Descriptor } from '../../../storage/descriptor.ts';
import { digestFromBytes, digestHex, digestOf, type Digest } from '../../../storage/digest.ts';
import type { ImageSource } from './image-source.ts';
import { folderBlobs } from './oci-layout.ts';

/** Builds one image in a temporary OCI layout: gzip layers, a config, a manifest. */
export class MadeImage {
  readonly #dir: string;
  readonly #layers: Descriptor[] = [];
  readonly #diffIds: Digest[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async begin(): Promise<MadeImage> {
    const dir = await mkdtemp(join(tmpdir(), 'rivulet-push-'));
    await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true });
    return new MadeImage(dir);
  }

  /** The diff_ids of the layers added so far. */
  get diffIds(): readonly Digest[] {
    return this.#diffIds;
  }

  /** Compresses a tar into the next layer. */
  async addLayer(tar: Readable): Promise<void> {
    const raw = createHash('sha256');
    const coded = createHash('sha256');
    const path = join(this.#dir, 'layer.tmp');
    await pipeline(tar, tap(raw), createGzip({ level: 6 }), tap(coded), createWriteStream(path));
    const digest = digestFromBytes(coded.digest());
    const { size } = await stat(path);
    await rename(path, this.#blobPath(digest));
    this.#diffIds.push(digestFromBytes(raw.digest()));
    this.#layers.push({ mediaType: MEDIA_TYPES.ociLayerGzip, digest, size });
  }

  /** Writes config and manifest; the image is ready to be pushed, and its folder goes on `close`. */
  async finish(config: Buffer): Promise<ImageSource> {
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: await this.#write(MEDIA_TYPES.ociConfig, config),
        layers: this.#layers,
      }),
    );
    return {
      blobs: folderBlobs(this.#dir),
      root: await this.#write(MEDIA_TYPES.ociManifest, manifest),
      close: () => this.discard(),
    };
  }

  async discard(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #write(mediaType: string, bytes: Buffer): Promise<Descriptor> {
    const digest = digestOf(bytes);
    await writeFile(this.#blobPath(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  #blobPath(digest: Digest): string {
    return join(this.#dir, 'blobs', 'sha256', digestHex(digest));
  }
}

/** Opens a tar file as a stream; for rootfs tars and archive members kept as files. */
export function tarStream(path: string): Readable {
  return createReadStream(path, { highWaterMark: 1 << 20 });
}

function tap(hash: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}
