import { Readable } from 'node:stream';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import type { ChunkIndex } from '../../../storage/chunk/chunk-index.ts';
import { openChunk, planChunkFetch, restoreLayer } from '../../../storage/chunk/restore.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { collect, noise } from './material.ts';

/** Two packs with frames of chunks a..f, and a layer that uses some of them. */
async function made(order: string) {
  const blobs = new BlobStore(createMemoryStore());
  const places = new Map<string, { pack: Digest; offset: number; length: number }>();
  const raws = new Map<string, Buffer>();
  const packs: Digest[] = [];
  for (const names of ['abcd', 'ef']) {
    const parts: Buffer[] = [Buffer.alloc(16)];
    const offsets: [string, number, number][] = [];
    let at = 16;
    for (const name of names) {
      raws.set(name, noise(20_000 + name.charCodeAt(0), name));
      const frame = await compressFrame(raws.get(name) ?? Buffer.alloc(0), 3);
      offsets.push([name, at, frame.length]);
      parts.push(frame);
      at += frame.length;
    }
    const { digest } = await blobs.putBytes(Buffer.concat(parts));
    packs.push(digest);
    for (const [name, offset, length] of offsets)
      places.set(name, { pack: digest, offset, length });
  }
  const used: Digest[] = [];
  const chunks = Array.from(order, (name) => {
    const place = places.get(name);
    const raw = raws.get(name);
    if (place === undefined || raw === undefined) throw new Error(`no chunk ${name}`);
    if (!used.includes(place.pack)) used.push(place.pack);
    const { offset, length } = place;
    const pack = used.indexOf(place.pack);
    return { digest: digestOf(raw), rawLength: raw.length, pack, offset, length };
  });
  const raw = Buffer.concat(Array.from(order, (name) => raws.get(name) ?? Buffer.alloc(0)));
  const index: ChunkIndex = { diffId: digestOf(raw), rawSize: raw.length, packs: used, chunks };
  return { blobs, index, raw };
}

/** A reader that notes the ranges asked for and may change what comes back. */
function spied(blobs: BlobStore, change?: (bytes: Buffer) => void) {
  const ranges: ByteRange[] = [];
  const reader = new BlobStore(blobs.objects);
  reader.open = async (digest, options) => {
    if (options?.range !== undefined) ranges.push(options.range);
    const source = await blobs.open(digest, options);
    if (change === undefined) return source;
    const bytes = Buffer.from(await collect(source));
    change(bytes);
    return Readable.from([bytes]);
  };
  return { reader, ranges };
}

describe('restoreLayer', () => {
  it('reads neighbouring frames in one range', async () => {
    const { blobs, index, raw } = await made('abcdbef');
    const { reader, ranges } = spied(blobs);
    expect((await collect(restoreLayer(reader, index))).equals(raw)).toBe(true);
    expect(ranges.length).toBe(3);
  });

  it('detects a flipped byte anywhere in a frame', async () => {
    const { blobs, index } = await made('a');
    for (const at of [0, 4, 5, 9, 100, 10_000, 20_000]) {
      const { reader } = spied(blobs, (bytes) => {
        bytes[at] = (bytes[at] ?? 0) ^ 0x41;
      });
      await expect(collect(restoreLayer(reader, index)), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(corrupt|digest_mismatch|too_large)$/) as unknown,
      });
    }
  });

  it('refuses a lost pack, a place outside it, and chunks in the wrong order', async () => {
    const { blobs, index } = await made('abe');
    const [a, b, e] = index.chunks;
    if (!a || !b || !e) throw new Error('three chunks');
    const swapped = { ...index, chunks: [b, a, e] };
    await expect(collect(restoreLayer(blobs, swapped))).rejects.toMatchObject({
      code: 'digest_mismatch',
    });
    const outside = { ...index, chunks: [{ ...a, offset: 2 ** 40 }, b, e] };
    await expect(collect(restoreLayer(blobs, outside))).rejects.toMatchObject({
      code: 'range_unsatisfiable',
    });
    await blobs.delete(index.packs[1] ?? index.diffId);
    await expect(collect(restoreLayer(blobs, index))).rejects.toMatchObject({ code: 'missing' });
  });

  it('destroys what it reads when the reader leaves', async () => {
    const { blobs, index } = await made('abcd');
    const opened: { destroyed: boolean }[] = [];
    const reader = new BlobStore(blobs.objects);
    reader.open = async (digest, options) => {
      const source = await blobs.open(digest, options);
      opened.push(source);
      return source;
    };
    for await (const part of restoreLayer(reader, index)) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    expect(opened.map((source) => source.destroyed)).toEqual([true]);
  });
});

describe('planChunkFetch', () => {
  it('asks for each missing chunk once, joining near frames', async () => {
    const { index } = await made('abcdbef');
    const [a, b, c, d, , e, f] = index.chunks;
    if (!a || !b || !c || !d || !e || !f) throw new Error('seven chunks');
    const all = planChunkFetch(index, () => false);
    expect(all).toEqual([
      {
        pack: index.packs[0],
        range: { start: 16, endExclusive: d.offset + d.length },
        chunks: [a, b, c, d],
      },
      {
        pack: index.packs[1],
        range: { start: 16, endExclusive: f.offset + f.length },
        chunks: [e, f],
      },
    ]);
    expect(planChunkFetch(index, () => true)).toEqual([]);
    // b alone is 20 KB, more than is worth joining over.
    const gap = planChunkFetch(index, (digest) => digest === b.digest || digest === f.digest);
    expect(gap.map((fetch) => fetch.chunks)).toEqual([[a], [c, d], [e]]);
  });

  it('joins over at most 16 KiB', async () => {
    const { index } = await made('ab');
    const [a, b] = index.chunks;
    if (!a || !b) throw new Error('two chunks');
    for (const [gap, count] of [
      [16 * 1024, 1],
      [16 * 1024 + 1, 2],
    ] as const) {
      const moved = { ...b, offset: a.offset + a.length + gap };
      expect(planChunkFetch({ ...index, chunks: [a, moved] }, () => false).length).toBe(count);
    }
  });

  it('covers what is missing, and frames open from the ranges', async () => {
    const { blobs, index } = await made('fabcadbeffc');
    await fc.assert(
      fc.asyncProperty(fc.subarray(index.chunks.map((chunk) => chunk.digest)), async (list) => {
        const had = new Set(list);
        const got: Digest[] = [];
        for (const { pack, range, chunks } of planChunkFetch(index, (d) => had.has(d))) {
          const bytes = await collect(await blobs.open(pack, { range }));
          for (const chunk of chunks) {
            const at = chunk.offset - range.start;
            const raw = await openChunk(bytes.subarray(at, at + chunk.length), chunk);
            expect(digestOf(raw)).toBe(chunk.digest);
            got.push(chunk.digest);
          }
        }
        const missing = new Set(index.chunks.map((c) => c.digest).filter((d) => !had.has(d)));
        expect(got.length).toBe(missing.size);
        expect(new Set(got)).toEqual(missing);
      }),
      { numRuns: 30 },
    );
  });
});
