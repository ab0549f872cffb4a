import { beforeAll, describe, expect, it } from 'vitest';

import { ByteWriter } from '../../delta/format/bytes.ts';
import { readFrameHead, streamOffset, type StreamName } from '../../delta/format/frame-head.ts';
import { formatHeader, readHeader } from '../../delta/format/header.ts';
import { EFFORTS } from '../../delta/format/stream.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { attempt, mutated, type Sample } from './attempts.ts';
import { makePair, nextVersion } from './engine-pairs.ts';
import { makeTar, prose, random, touched } from './support.ts';

let samples: readonly Sample[] = [];

beforeAll(async () => {
  const tree = (seed: number): Buffer =>
    makeTar([
      { name: 'a', bytes: touched(prose(5000, 1), seed * 9, 2) },
      { name: 'b', bytes: prose(900, 3 + seed) },
    ]);
  samples = [
    await makePair(...nextVersion(20_000, 1)),
    await makePair(...nextVersion(20_000, 1), { profile: 'fast' }),
    await makePair(tree(0), tree(1)),
  ];
});

/** A delta of one frame with another `pairs` or `model` stream: the coded bytes themselves are hostile. */
async function withStream(
  { delta, fresh }: Sample,
  victim: StreamName,
  change: (raw: Buffer) => Buffer,
): Promise<Buffer> {
  const source = new BufferAccess(delta);
  const { header, framesOffset } = await readHeader(source);
  const place = { version: 2, done: 0, size: fresh.length } as const;
  const head = await readFrameHead(source, framesOffset, place);
  const streams = (
    ['ops', 'sources', 'diffs', 'gaps', 'literals', 'notes', 'pairs', 'model'] as const
  ).map((name) => {
    const at = streamOffset(head, name);
    const stored = delta.subarray(at, at + head.streams[name].storedBytes);
    return { name, ...head.streams[name], stored: name === victim ? change(stored) : stored };
  });
  const frame = new ByteWriter().varint(head.outputBytes);
  frame.byte(streams.reduce((mask, { stored }, n) => mask | (stored.length > 0 ? 1 << n : 0), 0));
  if (streams[7]?.stored.length !== 0) frame.varint(0);
  for (const { name, method, rawBytes, stored } of streams) {
    if (stored.length === 0) continue;
    if (name === 'pairs' || name === 'model') frame.varint(stored.length);
    else {
      frame.varint(rawBytes * 4 + method);
      if (method !== 1) frame.varint(stored.length);
    }
  }
  for (const { stored } of streams) frame.bytes(stored);
  const bytes = frame.view();
  const begin = await formatHeader({ ...header, framesBytes: bytes.length }, EFFORTS.fast);
  return Buffer.concat([begin, bytes]);
}

describe('hostile coded bytes give a coded error or the right bytes', () => {
  it('as they are, they are right', async () => {
    for (const sample of samples) {
      const same = await withStream(sample, 'model', (raw) => raw);
      expect(await attempt(sample, same)).toBe('right');
    }
  });

  it.each(['pairs', 'model'] as const)('in %s (450 mutations)', async (victim) => {
    const next = random(20260201);
    const outcomes = new Map<string, number>();
    for (let n = 0; n < 450; n += 1) {
      const sample = samples[n % samples.length];
      if (sample === undefined) continue;
      const delta = await withStream(sample, victim, (raw) => mutated(raw, next));
      const started = performance.now();
      const outcome = await attempt(sample, delta);
      expect(performance.now() - started).toBeLessThan(20_000);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    const known = ['bad_format', 'output_mismatch', 'right'];
    expect([...outcomes.keys()].filter((outcome) => !known.includes(outcome))).toEqual([]);
    expect(outcomes.get('right') ?? 0).toBeLessThan(150);
  });

  it('and the base of another version gives no output', async () => {
    for (const sample of samples) {
      const changed = { ...sample, old: touched(sample.old, 40, 5) };
      expect(['output_mismatch', 'bad_format']).toContain(await attempt(changed, sample.delta));
    }
  });
});
