import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compressFrame, decompressFrame, MAX_FRAME_RAW_BYTES } from '../../storage/zstd.ts';
import { hasTool, noise, run, text } from './chunk/material.ts';

/** A frame of blocks written by hand: window 8 MiB, no content size, no checksum. */
function frame(blocks: readonly Buffer[], head = Buffer.from('28b52ffd0068', 'hex')): Buffer {
  return Buffer.concat([head, ...blocks]);
}

function block(type: number, size: number, last: boolean, content: Buffer): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | (last ? 1 : 0), 0, 3);
  return Buffer.concat([header, content]);
}

const raw = (bytes: Buffer, last: boolean): Buffer => block(0, bytes.length, last, bytes);
const rle = (size: number, last: boolean): Buffer => block(1, size, last, Buffer.from('x'));

const corrupt = expect.objectContaining({ code: 'corrupt' }) as unknown;
const tooLarge = expect.objectContaining({ code: 'too_large' }) as unknown;

describe('compressFrame and decompressFrame', () => {
  it('are inverse, at any level', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 19 }),
        async (bytes, level) => {
          const packed = await compressFrame(bytes, level);
          expect(await decompressFrame(packed, bytes.length)).toEqual(Buffer.from(bytes));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('really use the level', async () => {
    const bytes = text(2000, 'levels');
    const [low, high] = [await compressFrame(bytes, 1), await compressFrame(bytes, 19)];
    expect(high.length).toBeLessThan(low.length);
    expect(await decompressFrame(high, bytes.length)).toEqual(bytes);
  });

  it('open many blocks, split ones too', async () => {
    const bytes = Buffer.concat([noise(300_000, 'a'), text(3000, 'b'), Buffer.alloc(2_000_000)]);
    const packed = await compressFrame(bytes, 17);
    expect((await decompressFrame(packed, bytes.length)).equals(bytes)).toBe(true);
  });

  it('refuse levels and sizes beyond their bounds', async () => {
    await expect(compressFrame(Buffer.alloc(1), 20)).rejects.toMatchObject({
      code: 'invalid_name',
    });
    await expect(compressFrame(Buffer.alloc(MAX_FRAME_RAW_BYTES + 1), 1)).rejects.toEqual(tooLarge);
    await expect(decompressFrame(Buffer.alloc(9), MAX_FRAME_RAW_BYTES + 1)).rejects.toEqual(
      tooLarge,
    );
    await expect(decompressFrame(Buffer.alloc(9), -1)).rejects.toEqual(tooLarge);
  });
});

describe('decompressFrame', () => {
  it('opens frames written by hand', async () => {
    const hand = frame([raw(Buffer.from('ab'), false), rle(3, false), raw(Buffer.alloc(0), true)]);
    expect(await decompressFrame(hand, 5)).toEqual(Buffer.from('abxxx'));
  });

  it.runIf(hasTool('zstd'))('opens what zstd writes, with checksum and content size', async () => {
    const bytes = text(1000, 'cli');
    for (const args of [['-3'], ['-19', '--check'], ['--fast=5', '--no-check']]) {
      const packed = run('zstd', [...args, `--stream-size=${bytes.length}`, '-c'], bytes);
      expect(await decompressFrame(packed, bytes.length)).toEqual(bytes);
    }
  });

  it('refuses a wrong length either way, before and after decoding', async () => {
    const packed = await compressFrame(text(100, 'x'), 3);
    for (const length of [0, text(100, 'x').length - 1, text(100, 'x').length + 1, 2 ** 20]) {
      await expect(decompressFrame(packed, length)).rejects.toEqual(corrupt);
    }
    const declared = frame([rle(7, true)], Buffer.from('28b52ffd2007', 'hex'));
    expect(await decompressFrame(declared, 7)).toEqual(Buffer.from('xxxxxxx'));
    await expect(decompressFrame(declared, 6)).rejects.toEqual(corrupt);
  });

  it('refuses a bomb without decoding it', async () => {
    // 40 000 blocks of four bytes that would expand to 5 GB.
    const bomb = frame([
      ...Array.from({ length: 40_000 }, () => rle(131_072, false)),
      rle(1, true),
    ]);
    const before = process.memoryUsage().rss;
    await expect(decompressFrame(bomb, 1000)).rejects.toEqual(tooLarge);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20);
    const made = await compressFrame(Buffer.alloc(MAX_FRAME_RAW_BYTES), 1);
    await expect(decompressFrame(made, 65_536)).rejects.toEqual(tooLarge);
  });

  it('refuses a second frame, trailing bytes, skippable frames, dictionaries, large windows', async () => {
    const one = frame([raw(Buffer.from('a'), true)]);
    expect(await decompressFrame(one, 1)).toEqual(Buffer.from('a'));
    const skippable = Buffer.from('502a4d1800000000', 'hex');
    const hostile: [Buffer, unknown][] = [
      [Buffer.concat([one, one]), corrupt],
      [Buffer.concat([one, Buffer.from([0])]), corrupt],
      [Buffer.concat([skippable, one]), corrupt],
      [frame([raw(Buffer.from('a'), true)], Buffer.from('28b52ffd016801', 'hex')), corrupt],
      [frame([raw(Buffer.from('a'), true)], Buffer.from('28b52ffd0868', 'hex')), corrupt],
      [frame([raw(Buffer.from('a'), true)], Buffer.from('28b52ffd0069', 'hex')), tooLarge],
      [frame([raw(Buffer.from('a'), true)], Buffer.from('28b52ffd00ff', 'hex')), tooLarge],
      [frame([block(3, 1, true, Buffer.from('a'))]), corrupt],
      [frame([rle(131_073, true)]), corrupt],
      [Buffer.alloc(0), corrupt],
    ];
    for (const [bytes, error] of hostile) {
      await expect(decompressFrame(bytes, 1)).rejects.toEqual(error);
    }
  });

  it('refuses every truncation, and decodes no flipped byte into another length', async () => {
    const bytes = text(30, 'short');
    const packed = await compressFrame(bytes, 9);
    for (let length = 0; length < packed.length; length++) {
      await expect(decompressFrame(packed.subarray(0, length), bytes.length)).rejects.toEqual(
        corrupt,
      );
    }
    for (let at = 0; at < packed.length; at++) {
      const flipped = Buffer.from(packed);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const outcome = await decompressFrame(flipped, bytes.length).catch((error: unknown) => error);
      if (Buffer.isBuffer(outcome)) expect(outcome.length).toBe(bytes.length);
      else expect([corrupt, tooLarge]).toContainEqual(outcome);
    }
  });
});
