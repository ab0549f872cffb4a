import { ByteWriter } from '../../delta/format/bytes.ts';
import { BaseSpace } from '../../delta/format/base-space.ts';
import { DiffWriter } from '../../delta/format/diffs.ts';
import type { DeltaHeader } from '../../delta/format/facts.ts';
import { OP } from '../../delta/format/frame-head.ts';
import {
  PROFILE,
  writePairRecord,
  writeStreamSet,
  type PairProfile,
} from '../../delta/format/pairs.ts';
import { METHOD } from '../../delta/format/stream-head.ts';
import { tag16 } from '../../delta/format/tag.ts';
import { digestOf } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import type { DeltaParts, FrameParts } from './delta-parts.ts';
import type { PairKernel, Streams } from './kernel-pair.ts';
import { Random } from './random.ts';

const SIZE = 6000;

/** Deltas of every kind and version whose frames have every instruction but those of the engine. */
export function plainSamples(): readonly DeltaParts[] {
  const { old, fresh } = texts();
  const frames = [
    addFrame(old, fresh.subarray(0, 2000)),
    literalFrame(fresh.subarray(2000, 4000)),
    copyFrame(4000, fresh.subarray(4000)),
  ];
  return ([1, 2] as const).flatMap((version) =>
    (['file', 'tar', 'image'] as const).map((kind) => ({
      header: headerOf(version, kind, old, fresh),
      ...{ frames, old, fresh },
    })),
  );
}

/**
 * Deltas whose bytes the engine makes: the whole of a file, a part of it, and one to go on with, whose
 * pair is said to begin a section in its middle.
 */
export function engineSamples(kernel: PairKernel, profile: PairProfile): readonly DeltaParts[] {
  const { old, fresh } = texts();
  const header = headerOf(2, 'file', old, fresh);
  const whole = [modelFrame(kernel, profile, old, fresh)];
  const half = [
    modelFrame(kernel, profile, old, fresh.subarray(0, 3000)),
    literalFrame(fresh.subarray(3000)),
  ];
  const [begun] = whole;
  if (begun === undefined) throw new RangeError('no frame');
  const [first, second] = [fresh.subarray(0, 3000), fresh.subarray(3000)];
  const goesOn = [
    { ...begun, outputBytes: first.length, tag: tag16(first) },
    {
      ...frameOf(second, { ops: op(second.length, OP.model), model: begun.streams.model }),
      from: first.length,
    },
  ];
  return [
    { header, frames: whole, old, fresh },
    { header, frames: half, old, fresh },
    { header, frames: goesOn, old, fresh, existing: first },
  ];
}

/** The next version has bytes changed in its first two thirds. */
function texts(): { readonly old: Buffer; readonly fresh: Buffer } {
  const random = new Random('texts');
  const old = Buffer.from(random.bytes(SIZE / 2).toString('hex'));
  const fresh = Buffer.from(old);
  for (let left = 60; left > 0; left -= 1) fresh[random.below(4000)] = random.next() & 0xff;
  return { old, fresh };
}

function headerOf(
  version: 1 | 2,
  kind: DeltaHeader['kind'],
  old: Buffer,
  fresh: Buffer,
): DeltaHeader {
  const [before, after] = [old, fresh].map((bytes) => ({
    diffId: digestOf(bytes),
    size: bytes.length,
  }));
  if (before === undefined || after === undefined) throw new RangeError('two files');
  const header = { version, kind, ramBytes: 0, framesBytes: 0, base: [before], isWhole: false };
  const made = { ...after, reuse: false };
  if (kind !== 'image') return { ...header, outputs: [made] };
  const configBytes = Buffer.from(
    JSON.stringify({
      ...{ os: 'linux', architecture: 'amd64' },
      rootfs: { type: 'layers', diff_ids: [before.diffId, after.diffId] },
    }),
  );
  const descriptor = { mediaType: 'application/x', size: 1, digest: digestOf(configBytes) };
  const manifestBytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, config: descriptor, layers: [descriptor, descriptor] }),
  );
  const to = digestOf(manifestBytes);
  const image = { from: before.diffId, to, mediaType: 'application/y', manifestBytes, configBytes };
  return { ...header, outputs: [{ ...before, reuse: true }, made], image };
}

function addFrame(old: Buffer, fresh: Buffer): FrameParts {
  const differences = new DiffWriter();
  for (const [at, byte] of fresh.entries()) differences.difference((byte - (old[at] ?? 0)) & 0xff);
  differences.flush();
  return frameOf(fresh, {
    ops: op(fresh.length, OP.add),
    sources: numbers(0),
    diffs: Buffer.from(differences.diffs.view()),
    gaps: Buffer.from(differences.gaps.view()),
  });
}

function literalFrame(fresh: Buffer): FrameParts {
  return frameOf(fresh, { ops: op(fresh.length, OP.literal), literals: fresh });
}

/** In two halves. */
function copyFrame(address: number, fresh: Buffer): FrameParts {
  const half = op(fresh.length / 2, OP.copy);
  return frameOf(fresh, {
    ops: Buffer.concat([half, half]),
    sources: numbers(address * 2, 0),
  });
}

function modelFrame(
  kernel: PairKernel,
  profile: PairProfile,
  old: Buffer,
  fresh: Buffer,
): FrameParts {
  const { control, sections } = kernel.encode(profile, old, fresh);
  const pairs = new ByteWriter();
  const pair = { profile, sources: [{ address: 0, length: old.length }], newBytes: fresh.length };
  writePairRecord(pairs, pair, new BaseSpace([new BufferAccess(old)]), SIZE);
  putSet(pairs, profile, control, true);
  const model = new ByteWriter();
  for (const [n, streams] of sections.entries()) {
    putSet(model, profile, streams, n === sections.length - 1);
  }
  return frameOf(fresh, {
    ops: op(fresh.length, OP.model),
    pairs: Buffer.from(pairs.view()),
    model: Buffer.from(model.view()),
  });
}

function putSet(to: ByteWriter, profile: PairProfile, streams: Streams, isLast: boolean): void {
  const packed = streams.map((stored) => ({
    ...{ method: METHOD.stored, rawBytes: stored.length, stored },
  }));
  writeStreamSet(to, profile, profile === PROFILE.small ? packed.slice(0, 1) : packed, isLast);
}

function frameOf(fresh: Buffer, streams: FrameParts['streams']): FrameParts {
  return { outputBytes: fresh.length, tag: tag16(fresh), streams };
}

function op(length: number, kind: number): Buffer {
  return numbers(length * 4 + kind);
}

function numbers(...values: readonly number[]): Buffer {
  const writer = new ByteWriter();
  for (const value of values) writer.varint(value);
  return Buffer.from(writer.view());
}
