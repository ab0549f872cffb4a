import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BlobStore, readBlob } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { ChunkedLayer } from '../../../storage/catalog/layer-catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { MAX_INDEX_BYTES, parseChunkIndex } from '../../../storage/chunk/chunk-index.ts';
import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { PACK_HEADER } from '../../../storage/chunk/pack.ts';
import { restoreLayer } from '../../../storage/chunk/restore.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { StorageError } from '../../../storage/errors.ts';
import { blobKey } from '../../../storage/keys.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { collect, hasTool, noise, run, tar, text } from './material.ts';

let scratch: string;
let blobs: BlobStore;
let catalog: Catalog;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'rivulet-ingest-'));
  blobs = new BlobStore(createMemoryStore());
  catalog = await openSqliteCatalog(':memory:', Date.now);
});

afterEach(async () => {
  await catalog.close();
  expect(await readdir(scratch)).toEqual([]);
  await rm(scratch, { recursive: true });
});

const ingest = (digest: Digest, signal?: AbortSignal): Promise<ChunkedLayer> =>
  ingestLayer({ blobs, layers: catalog.layers, digest, scratch, signal });

/** Pushes a blob, chunks it as the matrix service does, and records the result. */
async function chunk(blob: Buffer): Promise<ChunkedLayer> {
  const { digest } = await blobs.putBytes(blob);
  await catalog.layers.ensure(digest, 'application/vnd.oci.image.layer.v1.tar+gzip');
  const claimed = await catalog.layers.claim('test', 60_000);
  if (claimed?.layer.digest !== digest) throw new Error('the layer is not there to be claimed');
  const result = await ingest(digest);
  await catalog.layers.finish(digest, claimed.lease, result);
  return result;
}

async function indexOf(layer: ChunkedLayer) {
  return parseChunkIndex(await readBlob(blobs, layer.index.digest, { maxBytes: MAX_INDEX_BYTES }));
}

const restore = async (layer: ChunkedLayer): Promise<Buffer> =>
  collect(restoreLayer(blobs, await indexOf(layer)));

/** A tree of many files and one program, as layers are. */
const tree = (version: string): Buffer =>
  tar({
    ...Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`lib/${i}.js`, text(300, i === 7 ? version : `${i}`)]),
    ),
    'bin/program': noise(2_000_000, 'program'),
  });

describe('ingestLayer', () => {
  it('keeps a layer as chunks that make it again', async () => {
    const raw = tree('1');
    const layer = await chunk(gzipSync(raw));
    expect(layer).toMatchObject({ diffId: digestOf(raw), rawSize: raw.length });
    expect(layer.packs).toEqual([layer.pack?.digest]);
    expect((await restore(layer)).equals(raw)).toBe(true);

    const index = await indexOf(layer);
    expect(index).toMatchObject({ diffId: layer.diffId, rawSize: layer.rawSize });
    expect(layer.newChunks.length).toBe(new Set(index.chunks.map((c) => c.digest)).size);
    expect(layer.index.size).toBeLessThan(raw.length / 500);
  });

  it('restore(ingest(x)) = x for any tree and compression', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(300_000), fc.nat(3), fc.boolean()), { maxLength: 6 }),
        fc.constantFrom('plain', 'gzip', 'zstd'),
        async (files, compression) => {
          const raw = tar(
            Object.fromEntries(
              files.map(([size, seed, flat], i) => [
                `${i}`,
                flat ? Buffer.alloc(size, seed) : noise(size, `${seed}`),
              ]),
            ),
          );
          const blob = {
            plain: () => raw,
            gzip: () => gzipSync(raw),
            zstd: () => compressFrame(raw, 3),
          };
          const { digest } = await blobs.putBytes(await blob[compression]());
          const layer = await ingest(digest);
          expect(layer.diffId).toBe(digestOf(raw));
          expect((await restore(layer)).equals(raw)).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('shares chunks between versions: a small change brings few', async () => {
    const [first, second] = [await chunk(gzipSync(tree('1'))), await chunk(gzipSync(tree('2')))];
    expect(second.newChunks.length).toBeGreaterThan(0);
    expect(second.newChunks.length).toBeLessThanOrEqual(3);
    expect(first.newChunks.length).toBeGreaterThan(25);
    expect(new Set(second.packs)).toEqual(new Set([first.pack?.digest, second.pack?.digest]));
    expect((await restore(second)).equals(tree('2'))).toBe(true);
  });

  it('stores nothing new for the same content in another compression, or twice', async () => {
    const raw = tree('1');
    const first = await chunk(gzipSync(raw));
    const other = await chunk(await compressFrame(raw, 1));
    const index = { ...first.index, created: false };
    expect(other).toEqual({ ...first, index, pack: undefined, newChunks: [] });
    expect(await ingest(digestOf(gzipSync(raw)))).toEqual(other);
  });

  it('stores a chunk that repeats inside a layer once', async () => {
    const layer = await chunk(tar({ zeros: Buffer.alloc(5_000_000) }));
    const index = await indexOf(layer);
    expect(index.chunks.length).toBeGreaterThan(15);
    expect(layer.newChunks.length).toBeLessThanOrEqual(4);
    expect((await restore(layer)).equals(tar({ zeros: Buffer.alloc(5_000_000) }))).toBe(true);
  });

  it('takes empty layers: no bytes, and tars without entries', async () => {
    for (const blob of [Buffer.alloc(0), gzipSync('')]) {
      const layer = await chunk(blob);
      expect(layer).toMatchObject({ rawSize: 0, packs: [], newChunks: [], pack: undefined });
      expect(layer.diffId).toBe(digestOf(Buffer.alloc(0)));
      expect(await restore(layer)).toEqual(Buffer.alloc(0));
    }
    const layer = await chunk(gzipSync(Buffer.alloc(1024)));
    expect(await restore(layer)).toEqual(Buffer.alloc(1024));
  });

  it('writes packs of which each frame is where it says', async () => {
    const layer = await chunk(gzipSync(tree('1')));
    if (layer.pack === undefined) throw new Error('no pack');
    const pack = await readBlob(blobs, layer.pack.digest, { maxBytes: 2 ** 30 });
    expect(pack.subarray(0, 16)).toEqual(PACK_HEADER);
    expect(pack.length).toBe(layer.pack.size);
    const ends = layer.newChunks.map((chunk) => chunk.offset + chunk.length);
    expect(layer.newChunks.map((chunk) => chunk.offset)).toEqual([16, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(pack.length);
  });

  it.runIf(hasTool('zstd'))('writes packs and layers that zstd decodes', async () => {
    const raw = tree('1');
    const layer = await chunk(gzipSync(raw));
    if (layer.pack === undefined) throw new Error('no pack');
    const pack = await readBlob(blobs, layer.pack.digest, { maxBytes: 2 ** 30 });
    const { chunks } = await indexOf(layer);
    const frames = chunks.map((c) => pack.subarray(c.offset, c.offset + c.length));
    expect(run('zstd', ['-dc'], Buffer.concat(frames)).equals(raw)).toBe(true);
    // No chunk of this layer repeats, so the pack alone is the layer as well.
    expect(run('zstd', ['-dc'], pack).equals(raw)).toBe(true);
  });

  it('refuses what is not a tar', async () => {
    for (const bytes of [
      Buffer.from('{"not": "a tar"}'),
      noise(100_000, 'opaque'),
      Buffer.alloc(511),
      tree('1').subarray(3),
    ]) {
      for (const blob of [bytes, gzipSync(bytes)]) {
        const { digest } = await blobs.putBytes(blob);
        await expect(ingest(digest)).rejects.toMatchObject({ code: 'corrupt' });
      }
    }
    const cut = gzipSync(tree('1'));
    const { digest } = await blobs.putBytes(cut.subarray(0, cut.length - 1));
    await expect(ingest(digest)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('writes nothing for a layer that it refuses', async () => {
    const blob = Buffer.concat([gzipSync(tree('1')), Buffer.from('tail')]);
    const { digest } = await blobs.putBytes(blob);
    await expect(ingest(digest)).rejects.toMatchObject({ code: 'corrupt' });
    const keys: string[] = [];
    for await (const { key } of blobs.objects.list('')) keys.push(key);
    expect(keys).toEqual([blobKey(digest)]);
  });

  it('says missing for a lost blob and digest_mismatch for a damaged one', async () => {
    const raw = tree('1');
    await expect(ingest(digestOf(raw))).rejects.toMatchObject({ code: 'missing' });
    const damaged = Buffer.from(raw);
    damaged[1_000_000] = (damaged[1_000_000] ?? 0) ^ 1;
    await blobs.objects.put(blobKey(digestOf(raw)), [damaged]);
    await expect(ingest(digestOf(raw))).rejects.toMatchObject({ code: 'digest_mismatch' });
  });

  it('is aborted by its signal, before and on the way', async () => {
    const { digest } = await blobs.putBytes(gzipSync(tree('1')));
    await expect(ingest(digest, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    const controller = new AbortController();
    const layers = {
      findChunks: (digests: readonly Digest[]) => {
        controller.abort();
        return catalog.layers.findChunks(digests);
      },
    };
    await expect(
      ingestLayer({ blobs, layers, digest, scratch, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
  });

  it('passes a fault of the catalog on', async () => {
    const { digest } = await blobs.putBytes(gzipSync(tree('1')));
    const fault = new StorageError('unavailable', 'the database is gone');
    const layers = { findChunks: () => Promise.reject(fault) };
    await expect(ingestLayer({ blobs, layers, digest, scratch })).rejects.toBe(fault);
  });

  it('stores chunks anew when the pack that the catalog names is lost', async () => {
    const first = await chunk(gzipSync(tree('1')));
    if (first.pack === undefined) throw new Error('no pack');
    await blobs.delete(first.pack.digest);
    const again = await ingest(digestOf(gzipSync(tree('1'))));
    expect(again.pack).toEqual(first.pack);
    expect((await restore(again)).equals(tree('1'))).toBe(true);
  });
});
