import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { BlobStore } from '../../../storage/blob-store.ts';
import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import type { ChunkRow } from '../../../storage/catalog/layer-catalog.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { buildImageDelta } from '../../../delta/build.ts';
import { readImage } from '../../../delta/image.ts';
import { openLayers } from '../../../delta/layers.ts';
import type { ChunksPlan, DeltaPlan, FullPlan } from '../../../delta/agent/protocol.ts';

/** An image as a server holds it, with all that plans need. */
export interface SampleRelease {
  readonly manifest: { readonly digest: Digest; readonly size: number };
  readonly config: Digest;
  readonly diffIds: readonly Digest[];
  readonly full: FullPlan;
  readonly chunks: ChunksPlan;
}

const PLATFORM = { os: 'linux', architecture: 'amd64' } as const;

/** A store of releases whose layers are chunked, as an origin keeps them. */
export class SampleStore {
  readonly blobs = new BlobStore(createMemoryStore());
  readonly #chunks = new Map<Digest, ChunkRow>();

  /** Puts a release: one gzip layer for each tar. */
  async release(tars: readonly Buffer[]): Promise<SampleRelease> {
    const diffIds = tars.map((tar) => digestOf(tar));
    const configBytes = json({
      ...PLATFORM,
      config: {},
      rootfs: { type: 'layers', diff_ids: diffIds },
    });
    const config = await this.blobs.putBytes(configBytes);
    const gzips = await Promise.all(tars.map((tar) => this.blobs.putBytes(gzipSync(tar))));
    const manifest = await this.blobs.putBytes(
      json({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
        layers: gzips.map((gzip) => ({ mediaType: MEDIA_TYPES.ociLayerGzip, ...gzip })),
      }),
    );
    const layers: ChunksPlan['layers'][number][] = [];
    for (const { digest } of gzips) layers.push(await this.#ingest(digest));
    const size = gzips.reduce((sum, gzip) => sum + gzip.size, manifest.size + config.size);
    const plan = { digest: manifest.digest, size, ramBytes: 1_000_000 };
    return {
      manifest,
      config: config.digest,
      diffIds,
      full: { kind: 'full', ...plan },
      chunks: { kind: 'chunks', ...plan, layers },
    };
  }

  /** The delta from one release to another, built by the real builder. */
  async delta(from: SampleRelease, to: SampleRelease): Promise<DeltaPlan> {
    const scratch = await mkdtemp(join(tmpdir(), 'rivulet-agent-delta-'));
    try {
      const [old, next] = await Promise.all(
        [from, to].map(async ({ manifest }) =>
          openLayers(this.blobs, await readImage(this.blobs, manifest.digest, {}), scratch, {}),
        ),
      );
      if (old === undefined || next === undefined) throw new Error('two layer sets');
      const output = join(scratch, 'delta');
      const report = await buildImageDelta({
        from: old,
        to: next,
        output,
        scratch,
        profile: 'fast',
      });
      await old.close();
      await next.close();
      await this.blobs.putBytes(await readFile(output), { digest: report.digest });
      const { digest, size, ramBytes } = report;
      return {
        kind: 'delta',
        digest,
        size,
        ramBytes,
        from: from.manifest.digest,
        source: 'layers',
      };
    } finally {
      await rm(scratch, { recursive: true });
    }
  }

  async #ingest(digest: Digest): Promise<ChunksPlan['layers'][number]> {
    const scratch = await mkdtemp(join(tmpdir(), 'rivulet-agent-ingest-'));
    try {
      const layers = {
        findChunks: (wanted: readonly Digest[]) =>
          Promise.resolve(wanted.flatMap((chunk) => this.#chunks.get(chunk) ?? [])),
      };
      const layer = await ingestLayer({ blobs: this.blobs, layers, digest, scratch });
      for (const row of layer.newChunks) this.#chunks.set(row.digest, row);
      return { diffId: layer.diffId, rawSize: layer.rawSize, index: layer.index };
    } finally {
      await rm(scratch, { recursive: true });
    }
  }
}

/** Bytes that do not compress and are the same in every run. */
export function noise(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < size; i += 1) {
    parts.push(createHash('sha256').update(`${seed} ${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, size);
}

/** A tar (POSIX.1-1988 headers) of regular files. */
export function tarOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, bytes] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\0' + '00', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** The tars of version `n`: a layer that stays, and a program and a note that change. */
export function sampleTars(version: number, programBytes = 1_500_000): readonly Buffer[] {
  const program = Buffer.from(noise('program', programBytes));
  noise(`patch ${version}`, 20_000).copy(program, Math.floor(programBytes / 2));
  return [
    tarOf({ 'etc/base': noise('base', 200_000) }),
    tarOf({ 'usr/bin/program': program, 'etc/version': Buffer.from(`version ${version}\n`) }),
  ];
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
