import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { constants, gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { StorageError } from '../../../storage/errors.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { collect, hasTool, noise, readable, run, tar, text } from './material.ts';

const MAX = 64 * 2 ** 20;
const content = tar({ 'a.txt': text(400, 'a'), 'b.bin': noise(5000, 'b'), empty: Buffer.alloc(0) });
const zstd = hasTool('zstd');

async function open(blob: Buffer, sizes?: readonly number[], maxRawBytes = MAX): Promise<Buffer> {
  const source = readable(blob, sizes);
  try {
    return await collect(openLayer(source, { maxRawBytes }));
  } finally {
    expect(source.destroyed).toBe(true);
  }
}

const code = async (blob: Buffer, sizes?: readonly number[], max?: number): Promise<unknown> =>
  open(blob, sizes, max).then(
    (bytes) => `opened as ${bytes.length} bytes`,
    (error: unknown) => (error instanceof StorageError ? error.code : error),
  );

/** A gzip member with every optional header field: extra, name, comment, header checksum off. */
function adorned(bytes: Buffer): Buffer {
  const plain = gzipSync(bytes);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 4 | 8 | 16;
  const fields = Buffer.from('\x04\x00abcdlayer.tar\x00a comment\x00', 'latin1');
  return Buffer.concat([header, fields, plain.subarray(10)]);
}

describe('openLayer', () => {
  it('passes a plain tar and an empty layer', async () => {
    expect(await open(content)).toEqual(content);
    expect(await open(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
    expect(await open(Buffer.from('x'))).toEqual(Buffer.from('x'));
  });

  it('opens gzip in all the forms that the world writes, in pieces of any size', async () => {
    const half = content.length >> 1;
    const forms: [string, Buffer, Buffer][] = [
      ['one member', gzipSync(content), content],
      ['stored', gzipSync(content, { level: constants.Z_NO_COMPRESSION }), content],
      ['names and comments', adorned(content), content],
      [
        'two members',
        Buffer.concat([gzipSync(content.subarray(0, half)), adorned(content.subarray(half))]),
        content,
      ],
      [
        'empty members',
        Buffer.concat([gzipSync(''), gzipSync(content), gzipSync(''), gzipSync('')]),
        content,
      ],
      ['empty', gzipSync(''), Buffer.alloc(0)],
      ['padded', Buffer.concat([gzipSync(content), Buffer.alloc(300_000)]), content],
      ['padded by one', Buffer.concat([gzipSync(content), Buffer.alloc(1)]), content],
    ];
    for (const [form, blob, raw] of forms) {
      const sizes = [[blob.length], [1, 2, 3, 1000], [gzipSync(content).length, 1], [65_536]];
      for (const size of sizes) {
        expect((await open(blob, size)).equals(raw), `${form} in pieces of ${size.join()}`).toBe(
          true,
        );
      }
    }
    expect(await open(gzipSync(content), [1])).toEqual(content);
  });

  it('opens what gzip itself writes', async () => {
    const blob = run('gzip', ['-9', '-c'], content);
    expect(await open(Buffer.concat([blob, run('gzip', ['-1c'], content)]))).toEqual(
      Buffer.concat([content, content]),
    );
  });

  it('refuses what follows the last member', async () => {
    const blob = gzipSync(content);
    for (const tail of ['x', '\0x', `${'\0'.repeat(70_000)}x`, '\x1f', '\x1f\x8b\x08']) {
      const hostile = Buffer.concat([blob, Buffer.from(tail, 'latin1')]);
      for (const sizes of [[hostile.length], [blob.length], [blob.length + 1], [777]]) {
        expect(await code(hostile, sizes)).toBe('corrupt');
      }
    }
  });

  it('refuses gzip cut at any byte, and a wrong checksum', async () => {
    const blob = gzipSync(text(20, 'cut'));
    for (let length = 2; length < blob.length; length++) {
      expect(await code(blob.subarray(0, length)), `cut at ${length}`).toBe('corrupt');
    }
    const flipped = Buffer.from(blob);
    flipped[blob.length - 6] = (flipped[blob.length - 6] ?? 0) ^ 1;
    expect(await code(flipped)).toBe('corrupt');
  });

  it('opens zstd frames, several and skippable ones, in pieces of any size', async () => {
    const half = content.length >> 1;
    const skippable = Buffer.concat([Buffer.from('5b2a4d1803000000', 'hex'), Buffer.from('abc')]);
    const [one, two, none] = await Promise.all([
      compressFrame(content.subarray(0, half), 3),
      compressFrame(content.subarray(half), 9),
      compressFrame(Buffer.alloc(0), 3),
    ]);
    const blob = Buffer.concat([skippable, one, none, skippable, two, skippable]);
    for (const sizes of [[blob.length], [1], [1, 2, 1000]]) {
      expect(await open(blob, sizes)).toEqual(content);
    }
    expect(await open(skippable)).toEqual(Buffer.alloc(0));
    expect(await open(none)).toEqual(Buffer.alloc(0));
  });

  it('opens a large zstd frame piece by piece', async () => {
    const large = Buffer.concat([
      noise(3_000_000, 'l'),
      text(20_000, 'l'),
      Buffer.alloc(9_000_000),
    ]);
    const blob = Buffer.concat([await compressFrame(large, 3), await compressFrame(content, 3)]);
    expect((await open(blob)).equals(Buffer.concat([large, content]))).toBe(true);
  });

  it.runIf(zstd)('opens what zstd itself writes', async () => {
    const large = Buffer.concat([
      text(20_000, 'z'),
      noise(2_000_000, 'z'),
      Buffer.alloc(3_000_000),
    ]);
    for (const args of [['-1'], ['-6', '--check'], ['-3', '--long=27'], ['-5', '--no-check']]) {
      for (const raw of [content, large]) {
        const blob = run('zstd', [...args, '-c'], raw);
        expect((await open(blob)).equals(raw), args.join(' ')).toBe(true);
      }
    }
  });

  it('refuses zstd cut at any byte, garbage after it, and a window beyond 128 MiB', async () => {
    const blob = await compressFrame(text(20, 'cut'), 3);
    for (let length = 4; length < blob.length; length++) {
      expect(await code(blob.subarray(0, length)), `cut at ${length}`).toBe('corrupt');
    }
    for (const tail of ['00', '28', '502a4d', '502a4d1801000000', '28b52ffd']) {
      expect(await code(Buffer.concat([blob, Buffer.from(tail, 'hex')]))).toBe('corrupt');
    }
    expect(await code(Buffer.from('28b52ffd0089010000', 'hex'))).toBe('too_large');
    expect(await code(Buffer.from('28b52ffd0090010000', 'hex'))).toBe('too_large');
  });

  it('refuses a large zstd frame cut short or with a broken block header', async () => {
    const blob = await compressFrame(noise(6_000_000, 'damage'), 3);
    expect(await code(blob.subarray(0, blob.length - 1))).toBe('corrupt');
    expect(await code(blob.subarray(0, 5_500_000))).toBe('corrupt');
    // The reserved block type in the 40th block's header.
    const damaged = Buffer.from(blob);
    const at = 6 + 40 * (131_072 + 3);
    damaged[at] = (damaged[at] ?? 0) | 0x06;
    expect(await code(damaged)).toBe('corrupt');
  });

  it('refuses a frame that holds another length than it declares', async () => {
    // Single segment, one byte of content size: 7; one RLE block of 6.
    expect(await code(Buffer.from('28b52ffd200733000078', 'hex'))).toBe('corrupt');
    expect(await open(Buffer.from('28b52ffd20073b000078', 'hex'))).toEqual(Buffer.from('xxxxxxx'));
  });

  it('stops bombs at the bound, in small memory', async () => {
    const gzip = gzipSync(Buffer.alloc(50 * 2 ** 20));
    const block = Buffer.from([0x02, 0x00, 0x10, 0x78]);
    const blocks = Buffer.concat([
      Buffer.from('28b52ffd0068', 'hex'),
      ...Array.from({ length: 20_000 }, () => block),
    ]);
    for (const bomb of [gzip, blocks, Buffer.concat([gzipSync(''), gzip])]) {
      expect(await code(bomb, [65_536], 10 * 2 ** 20)).toBe('too_large');
    }
    expect(await code(content, [65_536], content.length - 1)).toBe('too_large');
    expect(await code(gzipSync(content), [65_536], content.length)).toMatch(/^opened/);
  });

  it('stops blocks of hardly any bytes under a large window', async () => {
    const head = Buffer.from('28b52ffd0088', 'hex');
    const many = (block: string): Buffer[] =>
      Array.from({ length: 5000 }, () => Buffer.from(block, 'hex'));
    // RLE blocks of one byte; compressed blocks of one literal and no sequence.
    for (const block of ['0a000078', '1c0000087800']) {
      expect(await code(Buffer.concat([head, ...many(block)]))).toBe('too_large');
    }
  });

  it('is never anything but bytes or a coded error on damaged streams', async () => {
    const blobs = [gzipSync(text(60, 'fuzz')), await compressFrame(text(60, 'fuzz'), 9)];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...blobs),
        fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (blob, edits) => {
          const mutant = Buffer.from(blob);
          for (const [at, value] of edits) mutant[at % mutant.length] = value;
          expect(await code(mutant)).toMatch(/^(opened|corrupt|too_large)/);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('passes the source its own error on and destroys it', async () => {
    const fault = new StorageError('unavailable', 'the disk is gone');
    for (const head of [
      content.subarray(0, 100),
      gzipSync(noise(90_000, 'x')).subarray(0, 40_000),
    ]) {
      async function* failing(): AsyncIterable<Buffer> {
        yield await Promise.resolve(head);
        throw fault;
      }
      const source = Readable.from(failing());
      await expect(collect(openLayer(source, { maxRawBytes: MAX }))).rejects.toBe(fault);
      expect(source.destroyed).toBe(true);
    }
  });

  it('destroys the source when the reader leaves, whatever the compression', async () => {
    const raw = randomBytes(2_000_000);
    for (const blob of [raw, gzipSync(raw), await compressFrame(raw, 1)]) {
      const source = readable(blob);
      for await (const part of openLayer(source, { maxRawBytes: MAX })) {
        expect(part.length).toBeGreaterThan(0);
        break;
      }
      expect(source.destroyed).toBe(true);
    }
  });

  it('honours a signal before, and while the source hangs', async () => {
    const blobs = [content, gzipSync(content).subarray(0, -20), await compressFrame(content, 3)];
    for (const blob of blobs) {
      const early = readable(blob);
      const fired = AbortSignal.abort();
      await expect(
        collect(openLayer(early, { maxRawBytes: MAX, signal: fired })),
      ).rejects.toMatchObject({ code: 'aborted' });
      expect(early.destroyed).toBe(true);

      const controller = new AbortController();
      const hanging = new Readable({ read: () => undefined });
      hanging.push(blob.subarray(0, blob.length - 1));
      const reading = collect(openLayer(hanging, { maxRawBytes: MAX, signal: controller.signal }));
      setImmediate(() => {
        controller.abort();
      });
      await expect(reading).rejects.toMatchObject({ code: 'aborted' });
      expect(hanging.destroyed).toBe(true);
    }
  });
});
