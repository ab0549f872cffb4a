import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { DeltaError } from '../../delta/errors.ts';
import { buildFileDelta } from '../../delta/files.ts';
import { ByteWriter } from '../../delta/format/bytes.ts';
import { readFrameStreams, type FrameStreams } from '../../delta/format/frame.ts';
import { readFrameHead, streamOffset } from '../../delta/format/frame-head.ts';
import { formatHeader, readHeader } from '../../delta/format/header.ts';
import { EFFORTS } from '../../delta/format/stream.ts';
import { inspectDelta } from '../../delta/inspect.ts';
import { StorageError } from '../../storage/errors.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { attempt, mutated, type Sample } from './attempts.ts';
import {
  makeTar,
  noBsdiff,
  noise,
  prose,
  quickBsdiff,
  random,
  touched,
  withFolder,
} from './support.ts';

async function makeSample(old: Buffer, fresh: Buffer, load = quickBsdiff): Promise<Sample> {
  return withFolder(async (folder) => {
    await writeFile(join(folder, 'old'), old);
    await writeFile(join(folder, 'new'), fresh);
    await buildFileDelta({
      old: join(folder, 'old'),
      new: join(folder, 'new'),
      output: join(folder, 'delta'),
      scratch: folder,
      profile: 'fast',
      withoutEngine: true,
      loadBsdiff: load,
    });
    return { old, fresh, delta: await readFile(join(folder, 'delta')) };
  });
}

/** The streams that instructions read, in file order. */
const VICTIMS: readonly (keyof FrameStreams)[] = ['ops', 'sources', 'diffs', 'gaps', 'literals'];

/** The same delta, in version 2, with every stream stored as it is: mutations reach the instructions. */
async function unpacked(
  delta: Buffer,
  change: (name: string, raw: Buffer) => Buffer,
): Promise<Buffer> {
  const source = new BufferAccess(delta);
  const { header, framesOffset } = await readHeader(source);
  const size = header.outputs[0]?.size ?? 0;
  const frames = new ByteWriter();
  let done = 0;
  for (let offset = framesOffset; offset < delta.length;) {
    const head = await readFrameHead(source, offset, { version: 2, done, size });
    const streams = await readFrameStreams(source, head);
    const raw = VICTIMS.map((name) => change(name, Buffer.from(streams[name])));
    const mask = raw.reduce((bits, stream, n) => bits | (stream.length > 0 ? 1 << n : 0), 0);
    frames.varint(head.outputBytes).byte(mask);
    if (head.tag !== undefined) frames.bytes(head.tag);
    for (const stream of raw) if (stream.length > 0) frames.varint(stream.length * 4 + 1);
    for (const stream of raw) frames.bytes(stream);
    offset = head.endOffset;
    done += head.outputBytes;
  }
  const bytes = frames.view();
  const begin = await formatHeader({ ...header, framesBytes: bytes.length }, EFFORTS.fast);
  return Buffer.concat([begin, bytes]);
}

let samples: readonly Sample[] = [];

beforeAll(async () => {
  const library = prose(6000, 3);
  samples = [
    await makeSample(noise(3000, 1), touched(noise(3000, 1), 20, 2)),
    await makeSample(library, Buffer.concat([prose(300, 9), touched(library, 9, 1)])),
    await makeSample(
      makeTar([
        { name: 'a', bytes: prose(2000, 1) },
        { name: 'b', bytes: prose(2000, 2) },
      ]),
      makeTar([
        { name: 'a', bytes: touched(prose(2000, 1), 4, 5) },
        { name: 'c', bytes: prose(1500, 4) },
        { name: 'b', bytes: prose(2000, 2), mtime: 9 },
      ]),
    ),
  ];
});

describe('a damaged delta gives a coded error or the right bytes', () => {
  it('anywhere in the file (1500 mutations)', async () => {
    const next = random(20260101);
    let errors = 0;
    for (let n = 0; n < 1500; n += 1) {
      const sample = samples[n % samples.length];
      if (sample === undefined) continue;
      if ((await attempt(sample, mutated(sample.delta, next))) !== 'right') errors += 1;
    }
    expect(errors).toBeGreaterThan(1000);
  });

  it('in the instructions behind compression and header (3000 mutations)', async () => {
    const next = random(20260102);
    const outcomes = new Map<string, number>();
    for (let n = 0; n < 3000; n += 1) {
      const sample = samples[n % samples.length];
      const victim = VICTIMS[next() % VICTIMS.length];
      if (sample === undefined) continue;
      const delta = await unpacked(sample.delta, (name, raw) =>
        name === victim ? mutated(raw, next) : raw,
      );
      const outcome = await attempt(sample, delta);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(['bad_format', 'output_mismatch', 'right']);
    expect(outcomes.get('bad_format')).toBeGreaterThan(500);
  });

  it('inspect gives a coded error or a summary (500 mutations)', async () => {
    const next = random(20260103);
    for (let n = 0; n < 500; n += 1) {
      const sample = samples[n % samples.length];
      if (sample === undefined) continue;
      try {
        await inspectDelta(new BufferAccess(mutated(sample.delta, next)));
      } catch (error) {
        expect(error instanceof DeltaError || error instanceof StorageError).toBe(true);
      }
    }
  });

  it('cut at every byte it is refused', async () => {
    const [sample] = samples;
    if (sample === undefined) throw new Error('no sample');
    for (let length = 0; length < sample.delta.length; length += 1) {
      expect(await attempt(sample, sample.delta.subarray(0, length))).toBe('bad_format');
    }
  });

  it('a flipped byte is found in its frame: nothing of the next one is made', async () => {
    const old = noise(9_000_000, 5);
    const sample = await makeSample(old, touched(old, 100, 6), () => Promise.resolve(noBsdiff()));
    const { framesOffset } = await readHeader(new BufferAccess(sample.delta));
    const place = { version: 2, done: 0, size: sample.fresh.length } as const;
    const first = await readFrameHead(new BufferAccess(sample.delta), framesOffset, place);
    const copy = Buffer.from(sample.delta);
    const inDiffs = streamOffset(first, 'diffs') + 20;
    copy[inDiffs] = (copy[inDiffs] ?? 0) ^ 0x10;
    let bytes = 0;
    const applied = applyDelta(
      await openDelta(new BufferAccess(copy)),
      { tar: () => Promise.resolve(new BufferAccess(old)) },
      {
        output: () =>
          Promise.resolve(
            new Writable({
              write: (piece: Buffer, _encoding, done) => {
                bytes += piece.length;
                done();
              },
            }),
          ),
      },
    );
    await expect(applied).rejects.toBeInstanceOf(DeltaError);
    expect(bytes).toBeLessThanOrEqual(first.outputBytes);
    expect(first.outputBytes).toBeLessThan(5_000_000);
  });
});

describe('a lying delta', () => {
  const header = async (sample: Sample): Promise<Awaited<ReturnType<typeof readHeader>>> =>
    readHeader(new BufferAccess(sample.delta));

  const sampleOf = (n: number): Sample => {
    const sample = samples[n];
    if (sample === undefined) throw new Error('no sample');
    return sample;
  };

  it('of another version is refused, saying which version is known', async () => {
    const { delta } = sampleOf(0);
    const copy = Buffer.from(delta);
    copy[4] = 3;
    const opened = openDelta(new BufferAccess(copy));
    await expect(opened).rejects.toMatchObject({
      code: 'unsupported_version',
      detail: { version: 3, known: [1, 2] },
    });
    await expect(opened).rejects.toThrow(/version 3.*reads versions 1 and 2/);
  });

  it('of another kind of file is refused', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('RVL'), Buffer.from('PK\x03\x04 and more')]) {
      await expect(openDelta(new BufferAccess(bytes))).rejects.toMatchObject({
        code: 'bad_format',
      });
    }
  });

  it('with more output than its header says is stopped', async () => {
    const sample = sampleOf(1);
    const { header: facts, framesOffset } = await header(sample);
    const [output] = facts.outputs;
    if (output === undefined) throw new Error('no output');
    const small = { ...facts, outputs: [{ ...output, size: 10 }] };
    const begin = await formatHeader(small, EFFORTS.fast);
    const lying = Buffer.concat([begin, sample.delta.subarray(framesOffset)]);
    expect(await attempt(sample, lying)).toBe('bad_format');
  });

  it('with a bomb for a stream is stopped at the length it admits to', async () => {
    const sample = sampleOf(1);
    const { header: facts } = await header(sample);
    const bomb = brotliCompressSync(Buffer.alloc(64 * 1024 * 1024));
    const frame = new ByteWriter().varint(100).byte(1).bytes(Buffer.alloc(16));
    frame
      .varint(1000 * 4 + 3)
      .varint(bomb.length)
      .bytes(bomb);
    const frames = frame.view();
    const begin = await formatHeader({ ...facts, framesBytes: frames.length }, EFFORTS.fast);
    expect(await attempt(sample, Buffer.concat([begin, frames]))).toBe('bad_format');
  });

  it.each<[string, (frame: ByteWriter) => void]>([
    [
      'an output beyond the bound',
      (frame) => frame.varint(257 * 1024 * 1024).bytes(Buffer.alloc(22)),
    ],
    ['a frame past the output', (frame) => frame.varint(100_000).bytes(Buffer.alloc(22))],
    [
      'streams beyond the bound',
      (frame) =>
        frame
          .varint(100)
          .byte(1)
          .bytes(Buffer.alloc(16))
          .varint(17 * 1024 * 1024 * 4 + 3)
          .varint(1),
    ],
    ['an unknown method', (frame) => frame.varint(100).byte(1).bytes(Buffer.alloc(16)).varint(400)],
    ['a number of nine bytes', (frame) => frame.bytes(Buffer.alloc(40, 0xff))],
    [
      'a pair that began nowhere',
      (frame) => frame.varint(100).byte(0x80).bytes(Buffer.alloc(16)).varint(3).varint(9).varint(0),
    ],
    [
      'a pair from before the delta',
      (frame) =>
        frame.varint(100).byte(0x80).bytes(Buffer.alloc(16)).varint(9000).varint(9).varint(0),
    ],
    [
      'a pair with more old bytes than there are',
      (frame) =>
        frame
          .varint(100)
          .byte(0xc0)
          .bytes(Buffer.alloc(16))
          .varint(0)
          .varint(6)
          .varint(1)
          .bytes(Buffer.from([2, 0, 0xa0, 0x8d, 6, 100, 0])),
    ],
    [
      'no pair for a section',
      (frame) =>
        frame
          .varint(100)
          .byte(0x80)
          .bytes(Buffer.alloc(16))
          .varint(0)
          .varint(1)
          .bytes(Buffer.from([0])),
    ],
  ])('with %s is refused', async (_name, write) => {
    const sample = sampleOf(0);
    const { header: facts } = await header(sample);
    const frame = new ByteWriter();
    write(frame);
    const begin = await formatHeader({ ...facts, framesBytes: frame.length }, EFFORTS.fast);
    expect(await attempt(sample, Buffer.concat([begin, frame.view()]))).toBe('bad_format');
  });
});
