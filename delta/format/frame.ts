import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';
import {
  packStream,
  readStreamHead,
  unpackStream,
  writeStreamHead,
  type Effort,
  type StreamHead,
} from './stream.ts';
import { TAG_BYTES } from './tag.ts';

/** The streams of a frame, in file order (FORMAT.md, "Frames"). */
export const STREAM_NAMES = ['ops', 'sources', 'diffs', 'gaps', 'literals', 'notes'] as const;
export type StreamName = (typeof STREAM_NAMES)[number];
export type FrameStreams = Readonly<Record<StreamName, Buffer>>;

export const OP = { copy: 0, literal: 1, add: 2 } as const;

export interface FrameHead {
  readonly outputBytes: number;
  readonly tag: Buffer;
  readonly streams: Readonly<Record<StreamName, StreamHead>>;
  /** Where the stored streams begin in the delta. */
  readonly dataOffset: number;
  /** Where the frame ends in the delta. */
  readonly endOffset: number;
}

/** Length, tag and six stream heads at their longest. */
const MAX_HEAD_BYTES = 8 + TAG_BYTES + STREAM_NAMES.length * (1 + 8 + 8);

/** Reads and bounds the head of the frame at `offset`. Throws `bad_format`. */
export async function readFrameHead(source: RandomAccess, offset: number): Promise<FrameHead> {
  const bytes = await source.read(offset, Math.min(MAX_HEAD_BYTES, source.size - offset));
  const reader = new ByteReader(bytes, `the frame at byte ${offset} of the delta`);
  const outputBytes = reader.varint(LIMITS.frameOutputBytes);
  if (outputBytes === 0) throw new DeltaError('bad_format', `the frame at byte ${offset} is empty`);
  const tag = Buffer.from(reader.bytes(TAG_BYTES));
  const streams = {
    ops: readStreamHead(reader),
    sources: readStreamHead(reader),
    diffs: readStreamHead(reader),
    gaps: readStreamHead(reader),
    literals: readStreamHead(reader),
    notes: readStreamHead(reader),
  };
  const heads = Object.values(streams);
  const rawBytes = heads.reduce((sum, head) => sum + head.rawBytes, 0);
  if (rawBytes > LIMITS.frameStreamsBytes) {
    throw new DeltaError(
      'bad_format',
      `the frame at byte ${offset} holds ${rawBytes} bytes, the limit is ${LIMITS.frameStreamsBytes}`,
    );
  }
  const dataOffset = offset + reader.offset;
  const endOffset = dataOffset + heads.reduce((sum, head) => sum + head.storedBytes, 0);
  if (endOffset > source.size) {
    throw new DeltaError(
      'bad_format',
      `the frame at byte ${offset} goes on after the end of the delta`,
    );
  }
  return { outputBytes, tag, streams, dataOffset, endOffset };
}

/** The streams that applying needs; `notes` is left empty. */
export async function readFrameStreams(
  source: RandomAccess,
  head: FrameHead,
): Promise<FrameStreams> {
  const { ops, sources, diffs, gaps, literals } = head.streams;
  let at = head.dataOffset;
  const next = async (stream: StreamHead): Promise<Buffer> => {
    const stored = await source.read(at, stream.storedBytes);
    at += stream.storedBytes;
    return unpackStream(stream, stored);
  };
  return {
    ops: await next(ops),
    sources: await next(sources),
    diffs: await next(diffs),
    gaps: await next(gaps),
    literals: await next(literals),
    notes: Buffer.alloc(0),
  };
}

/** The frame's notes, for `inspect`. */
export async function readFrameNotes(source: RandomAccess, head: FrameHead): Promise<Buffer> {
  const { notes } = head.streams;
  const stored = await source.read(head.endOffset - notes.storedBytes, notes.storedBytes);
  return unpackStream(notes, stored);
}

export interface PackedFrame {
  readonly bytes: Buffer;
  /** Memory that applying it takes: its streams, stored and not. */
  readonly ramBytes: number;
}

/** A whole frame. `notesFor` gets the stored bytes of each other stream and returns the notes. */
export async function formatFrame(
  outputBytes: number,
  tag: Buffer,
  streams: Omit<FrameStreams, 'notes'>,
  notesFor: (stored: Readonly<Record<Exclude<StreamName, 'notes'>, number>>) => Buffer,
  effort: Effort,
): Promise<PackedFrame> {
  const [ops, sources, diffs, gaps, literals] = await Promise.all([
    packStream(streams.ops, effort),
    packStream(streams.sources, effort),
    packStream(streams.diffs, effort),
    packStream(streams.gaps, effort),
    packStream(streams.literals, effort),
  ]);
  const notes = await packStream(
    notesFor({
      ops: ops.stored.length,
      sources: sources.stored.length,
      diffs: diffs.stored.length,
      gaps: gaps.stored.length,
      literals: literals.stored.length,
    }),
    effort,
  );
  const packed = [ops, sources, diffs, gaps, literals, notes];
  const out = new ByteWriter().varint(outputBytes).bytes(tag);
  for (const stream of packed) writeStreamHead(out, stream);
  for (const stream of packed) out.bytes(stream.stored);
  const ramBytes = packed.reduce((sum, s) => sum + s.rawBytes + s.stored.length, 0);
  return { bytes: Buffer.from(out.view()), ramBytes };
}
