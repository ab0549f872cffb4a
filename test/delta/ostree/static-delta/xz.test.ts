import { execFileSync } from 'node:child_process';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compressXz, decompressXz } from '../../../../delta/codecs/xz.ts';
import { needTool } from '../../../clients/require.ts';
import { noise, prose } from '../../support.ts';

const xz = needTool('xz');

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

function packed(bytes: Buffer, preset = 6): Promise<Buffer> {
  return joined(compressXz([bytes], { preset }));
}

function unpacked(bytes: Buffer, maxBytes = 2 ** 24): Promise<Buffer> {
  return joined(decompressXz([bytes], { maxBytes }));
}

describe('xz', () => {
  it('gives back what it packed, however the bytes are cut', async () => {
    const input = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(input, fc.integer({ min: 1, max: 50 }), async (pieces, step) => {
        const stream = await joined(compressXz(pieces, { preset: 1 }));
        const cut = Array.from({ length: Math.ceil(stream.length / step) }, (_, n) =>
          stream.subarray(n * step, (n + 1) * step),
        );
        const raw = Buffer.concat(pieces);
        expect((await joined(decompressXz(cut, { maxBytes: raw.length }))).equals(raw)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('packs large inputs, the letters that end a stream among them', async () => {
    const raw = Buffer.concat([
      noise(700_000, 1),
      Buffer.from('YZ'.repeat(1000)),
      prose(500_000, 2),
    ]);
    for (const preset of [0, 6]) {
      expect((await unpacked(await packed(raw, preset))).equals(raw)).toBe(true);
    }
  });

  it.skipIf(xz === undefined)('reads and is read by the xz command', async () => {
    if (xz === undefined) return;
    const raw = prose(300_000, 3);
    const ours = await packed(raw);
    expect(execFileSync(xz, ['-dc'], { input: ours }).equals(raw)).toBe(true);
    const theirs = execFileSync(xz, ['-9', '-c'], { input: raw });
    expect((await unpacked(theirs)).equals(raw)).toBe(true);
  });

  it('stops at the bound', async () => {
    const bomb = await packed(Buffer.alloc(2 ** 24));
    expect(bomb.length).toBeLessThan(20_000);
    let seen = 0;
    const read = async (): Promise<void> => {
      for await (const piece of decompressXz([bomb], { maxBytes: 2 ** 20 })) seen += piece.length;
    };
    await expect(read()).rejects.toMatchObject({ code: 'too_large' });
    expect(seen).toBeLessThanOrEqual(2 ** 20);
  });

  it.skipIf(xz === undefined)('refuses a dictionary past 64 MiB', async () => {
    if (xz === undefined) return;
    const args = ['--lzma2=preset=1,dict=65MiB', '-c'];
    const large = execFileSync(xz, args, { input: 'hello' });
    await expect(unpacked(large)).rejects.toMatchObject({ code: 'too_large' });
  });

  it('refuses another stream, padding and garbage after the end', async () => {
    const stream = await packed(prose(5000, 4));
    for (const tail of [stream, Buffer.alloc(4), Buffer.from('x'), Buffer.alloc(9000)]) {
      const both = Buffer.concat([stream, tail]);
      await expect(unpacked(both)).rejects.toMatchObject({ code: 'bad_format' });
      const apart = joined(decompressXz([stream, tail], { maxBytes: 2 ** 20 }));
      await expect(apart).rejects.toMatchObject({ code: 'bad_format' });
    }
  });

  it('refuses what is cut off', async () => {
    const stream = await packed(prose(5000, 5));
    for (const length of [0, 1, 12, 100, stream.length - 1]) {
      await expect(unpacked(stream.subarray(0, length))).rejects.toMatchObject({
        code: 'bad_format',
      });
    }
  });

  it('finds every flipped byte', async () => {
    const raw = prose(2000, 6);
    const stream = await packed(raw);
    for (let at = 0; at < stream.length; at += 1) {
      const broken = Buffer.from(stream);
      broken[at] = (broken[at] ?? 0) ^ 0x55;
      const result = unpacked(broken, 5000);
      await expect(result).rejects.toMatchObject({ name: 'DeltaError' });
    }
  });

  it('ends when the signal fires, and refuses presets that are none', async () => {
    const signal = AbortSignal.abort();
    const raw = [Buffer.alloc(10)];
    await expect(joined(compressXz(raw, { preset: 1, signal }))).rejects.toMatchObject({
      code: 'aborted',
    });
    await expect(joined(decompressXz(raw, { maxBytes: 1, signal }))).rejects.toMatchObject({
      code: 'aborted',
    });
    for (const preset of [-1, 10, 1.5]) {
      await expect(joined(compressXz(raw, { preset }))).rejects.toMatchObject({
        code: 'bad_format',
      });
    }
  });
});
