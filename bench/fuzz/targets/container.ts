import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { applyDelta, openDelta } from '../../../delta/apply.ts';
import { buildFileDelta } from '../../../delta/files.ts';
import { ByteWriter } from '../../../delta/format/bytes.ts';
import { readFrameStreams, type FrameStreams } from '../../../delta/format/frame.ts';
import { readFrameHead } from '../../../delta/format/frame-head.ts';
import { formatHeader, readHeader } from '../../../delta/format/header.ts';
import { EFFORTS } from '../../../delta/format/stream.ts';
import { inspectDelta } from '../../../delta/inspect.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import { mutate } from '../mutate.ts';
import { Random } from '../random.ts';
import { Wrong, type Target } from '../target.ts';

interface Sample {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly delta: Buffer;
}

/** Deltas with changed bytes anywhere: header, heads, compressed streams. */
export function containerTarget(weight: number): Target {
  return {
    name: 'container',
    weight,
    open: async () => {
      const samples = [await makeSample('fast', false), await makeSample('fast', true)];
      return async (random) => {
        const sample = random.pick(samples);
        const delta = mutate(sample.delta, random);
        if (random.below(8) === 0) await inspectDelta(new BufferAccess(delta));
        else await apply(sample, delta);
      };
    },
  };
}

const STREAMS: readonly (keyof FrameStreams)[] = ['ops', 'sources', 'diffs', 'gaps', 'literals'];

/** Changed instructions behind compression and behind the header's own digest. */
export function instructionsTarget(weight: number): Target {
  return {
    name: 'instructions',
    weight,
    open: async () => {
      const samples = [await makeSample('fast', true)];
      return async (random) => {
        const sample = random.pick(samples);
        const victim = random.pick(STREAMS);
        await apply(
          sample,
          await unpacked(sample.delta, (name, raw) =>
            name === victim ? mutate(raw, random) : raw,
          ),
        );
      };
    },
  };
}

async function makeSample(profile: 'fast' | 'small', withoutEngine: boolean): Promise<Sample> {
  const random = new Random('container');
  const old = Buffer.from(random.bytes(3000).toString('hex'));
  const fresh = Buffer.from(old);
  for (let left = 40; left > 0; left -= 1) fresh[random.below(fresh.length)] = random.next() & 0xff;
  fresh.copyWithin(900, 4000, 5000);
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-fuzz-'));
  try {
    const paths = { old: join(folder, 'old'), new: join(folder, 'new') };
    await writeFile(paths.old, old);
    await writeFile(paths.new, fresh);
    const output = join(folder, 'delta');
    await buildFileDelta({ ...paths, output, scratch: folder, profile, withoutEngine });
    return { old, fresh, delta: await readFile(output) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Right bytes, or an error. */
async function apply({ old, fresh }: Sample, bytes: Buffer): Promise<void> {
  const delta = await openDelta(new BufferAccess(bytes));
  const bound = delta.outputs.reduce((sum, { size }) => sum + size, 0);
  const parts: Buffer[] = [];
  let made = 0;
  const sink = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      made += piece.length;
      parts.push(Buffer.from(piece));
      done(made > bound ? new Wrong(`${made} bytes, ${bound} promised`) : null);
    },
  });
  await applyDelta(
    delta,
    { tar: () => Promise.resolve(new BufferAccess(old)) },
    { output: () => Promise.resolve(sink) },
  );
  if (made > 0 && !Buffer.concat(parts).equals(fresh)) throw new Wrong('accepted other bytes');
}

/** The same delta with its streams stored as they are, and one of them changed. */
async function unpacked(
  delta: Buffer,
  change: (name: keyof FrameStreams, raw: Buffer) => Buffer,
): Promise<Buffer> {
  const source = new BufferAccess(delta);
  const { header, framesOffset } = await readHeader(source);
  const size = header.outputs[0]?.size ?? 0;
  const frames = new ByteWriter();
  let done = 0;
  for (let offset = framesOffset; offset < delta.length;) {
    const head = await readFrameHead(source, offset, { version: 2, done, size });
    const streams = await readFrameStreams(source, head);
    const raw = STREAMS.map((name) => change(name, Buffer.from(streams[name])));
    frames.varint(head.outputBytes);
    frames.byte(raw.reduce((bits, stream, n) => bits | (stream.length > 0 ? 1 << n : 0), 0));
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
