import type { RandomAccess } from '../../storage/random-access.ts';
import { ByteWriter } from './bytes.ts';
import {
  STREAM_NAMES,
  streamOffset,
  writeFrameHead,
  type FrameHead,
  type StreamName,
} from './frame-head.ts';
import { METHOD } from './stream-head.ts';
import { packStream, unpackStream, type Effort, type PackedStream } from './stream.ts';

/** What the instructions of a frame work on. */
export type FrameStreams = Readonly<
  Record<'ops' | 'sources' | 'diffs' | 'gaps' | 'literals', Buffer>
>;

/** The streams that instructions read, unpacked; `pairs` and `model` are read as they are used. */
export async function readFrameStreams(
  source: RandomAccess,
  head: FrameHead,
): Promise<FrameStreams> {
  const read = (name: StreamName): Promise<Buffer> => readStream(source, head, name);
  return {
    ops: await read('ops'),
    sources: await read('sources'),
    diffs: await read('diffs'),
    gaps: await read('gaps'),
    literals: await read('literals'),
  };
}

/** The frame's notes, for `inspect`. */
export async function readFrameNotes(source: RandomAccess, head: FrameHead): Promise<Buffer> {
  return readStream(source, head, 'notes');
}

async function readStream(
  source: RandomAccess,
  head: FrameHead,
  name: StreamName,
): Promise<Buffer> {
  const stream = head.streams[name];
  return unpackStream(stream, await source.read(streamOffset(head, name), stream.storedBytes));
}

/** A frame's streams as they are stored: all of it but the head, which needs its place in the delta. */
export interface PackedFrame {
  readonly outputBytes: number;
  readonly tag: Buffer;
  readonly streams: Readonly<Record<StreamName, PackedStream>>;
  /** Memory that applying takes for these streams, stored and not. */
  readonly ramBytes: number;
}

export interface FrameContent extends FrameStreams {
  /** Records and stream sets, which are compressed already. */
  readonly pairs: Buffer;
  readonly model: Buffer;
}

/** Stored bytes of each stream. */
export type StoredBytes = Readonly<Record<Exclude<StreamName, 'notes'>, number>>;

/** Compresses a frame. `notesFor` gets the stored bytes of each other stream and returns the notes. */
export async function packFrame(
  outputBytes: number,
  tag: Buffer,
  content: FrameContent,
  notesFor: (stored: StoredBytes) => Buffer,
  effort: Effort,
): Promise<PackedFrame> {
  // One after another: the strongest compressors take up to 100 MB each.
  const ops = await packStream(content.ops, effort);
  const sources = await packStream(content.sources, effort);
  const diffs = await packStream(content.diffs, effort);
  const gaps = await packStream(content.gaps, effort);
  const literals = await packStream(content.literals, effort);
  const others = { ops, sources, diffs, gaps, literals };
  const coded = { pairs: asItIs(content.pairs), model: asItIs(content.model) };
  const notes = notesFor({
    ops: ops.stored.length,
    sources: sources.stored.length,
    diffs: diffs.stored.length,
    gaps: gaps.stored.length,
    literals: literals.stored.length,
    pairs: content.pairs.length,
    model: content.model.length,
  });
  const streams = { ...others, notes: await packStream(notes, effort), ...coded };
  const held = Object.values(others).reduce((sum, s) => sum + s.rawBytes + s.stored.length, 0);
  return { outputBytes, tag, streams, ramBytes: held + content.pairs.length };
}

/** The whole frame, once it is known where it stands. */
export function joinFrame(
  frame: PackedFrame,
  place: Pick<FrameHead, 'back' | 'from'> & {
    readonly isFirst: boolean;
    readonly isLast: boolean;
  },
): Buffer {
  const { outputBytes, streams } = frame;
  const { back, from, isFirst, isLast } = place;
  const tag = isFirst && isLast ? undefined : frame.tag;
  const out = new ByteWriter();
  writeFrameHead(out, { outputBytes, tag, back, from, streams, isLast });
  for (const name of STREAM_NAMES) out.bytes(streams[name].stored);
  return Buffer.from(out.view());
}

function asItIs(bytes: Buffer): PackedStream {
  const method = bytes.length === 0 ? METHOD.empty : METHOD.stored;
  return { method, rawBytes: bytes.length, stored: bytes };
}
