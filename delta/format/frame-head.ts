import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader, type ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';
import {
  EMPTY_STREAM,
  METHOD,
  readShortHead,
  readStreamHead,
  writeShortHead,
  type StreamHead,
} from './stream-head.ts';
import type { PackedStream } from './stream.ts';
import { TAG_BYTES } from './tag.ts';

/** The streams of a frame, in file order (FORMAT.md, "Frames"); version 1 has the first six. */
export const STREAM_NAMES = [
  'ops',
  'sources',
  'diffs',
  'gaps',
  'literals',
  'notes',
  'pairs',
  'model',
] as const;
export type StreamName = (typeof STREAM_NAMES)[number];

/** Stored as they are: what they hold is compressed already, and is read piece by piece. */
const COMPRESSED: readonly StreamName[] = ['pairs', 'model'];

export const OP = { copy: 0, literal: 1, add: 2, model: 3 } as const;

export interface FrameHead {
  readonly outputBytes: number;
  /** Undefined when the frame is the whole output, which has a digest of its own. */
  readonly tag: Buffer | undefined;
  readonly streams: Readonly<Record<StreamName, StreamHead>>;
  /** How far before this frame that one begins in which the open pair does; 0 if none is open. */
  readonly back: number;
  /** New bytes of the open pair that were made before. */
  readonly from: number;
  /** Where the stored streams begin in the delta. */
  readonly dataOffset: number;
  /** Where the frame ends in the delta. */
  readonly endOffset: number;
}

/** Where a frame stands in its output. */
export interface FramePlace {
  readonly version: 1 | 2;
  /** Bytes of output before it. */
  readonly done: number;
  /** Bytes of the whole output. */
  readonly size: number;
}

/** Every field at its longest. */
const MAX_HEAD_BYTES = 8 + 1 + TAG_BYTES + 8 + 8 + STREAM_NAMES.length * (1 + 8 + 8);

/** Reads and bounds the head of the frame at `offset`. Throws `bad_format`. */
export async function readFrameHead(
  source: RandomAccess,
  offset: number,
  place: FramePlace,
): Promise<FrameHead> {
  const bytes = await source.read(offset, Math.min(MAX_HEAD_BYTES, source.size - offset));
  const reader = new ByteReader(bytes, `the frame at byte ${offset} of the delta`);
  const { version, done, size } = place;
  const named = reader.varint(LIMITS.frameOutputBytes[version]);
  const outputBytes = named === 0 && version === 2 ? size - done : named;
  if (outputBytes === 0) throw broken(offset, 'is empty');
  if (outputBytes > size - done) throw broken(offset, `goes past the ${size} bytes of its output`);
  if (outputBytes > LIMITS.frameOutputBytes[version]) throw broken(offset, 'is too large');
  const fields = version === 1 ? readHeadV1(reader) : readHeadV2(reader, outputBytes === size);
  if (fields.back > offset) throw broken(offset, 'goes on with a pair from nowhere');
  const heads = Object.values(fields.streams);
  const rawBytes = STREAM_NAMES.filter((name) => !COMPRESSED.includes(name)).reduce(
    (sum, name) => sum + fields.streams[name].rawBytes,
    0,
  );
  if (rawBytes > LIMITS.frameStreamsBytes) {
    throw broken(offset, `holds ${rawBytes} bytes, the limit is ${LIMITS.frameStreamsBytes}`);
  }
  const dataOffset = offset + reader.offset;
  const endOffset = dataOffset + heads.reduce((sum, head) => sum + head.storedBytes, 0);
  if (endOffset > source.size) throw broken(offset, 'goes on after the end of the delta');
  return { outputBytes, ...fields, dataOffset, endOffset };
}

type HeadFields = Pick<FrameHead, 'tag' | 'streams' | 'back' | 'from'>;

function readHeadV1(reader: ByteReader): HeadFields {
  const tag = Buffer.from(reader.bytes(TAG_BYTES));
  const streams = readEach((name) =>
    COMPRESSED.includes(name) ? EMPTY_STREAM : readStreamHead(reader),
  );
  return { tag, streams, back: 0, from: 0 };
}

function readHeadV2(reader: ByteReader, isWhole: boolean): HeadFields {
  const mask = reader.byte();
  const tag = isWhole ? undefined : Buffer.from(reader.bytes(TAG_BYTES));
  const has = (name: StreamName): boolean => (mask & (1 << STREAM_NAMES.indexOf(name))) !== 0;
  const back = has('model') ? reader.varint() : 0;
  const from = back > 0 ? reader.varint(LIMITS.pairBytes) : 0;
  const streams = readEach((name) => {
    if (!has(name)) return EMPTY_STREAM;
    if (!COMPRESSED.includes(name)) return readShortHead(reader);
    const rawBytes = reader.varint();
    return { method: METHOD.stored, rawBytes, storedBytes: rawBytes };
  });
  return { tag, streams, back, from };
}

function readEach(read: (name: StreamName) => StreamHead): Record<StreamName, StreamHead> {
  const entries = STREAM_NAMES.map((name) => [name, read(name)] as const);
  return Object.fromEntries(entries) as Record<StreamName, StreamHead>;
}

/** Writes a head of version 2; `pairs` and `model` must be stored as they are. */
export function writeFrameHead(
  to: ByteWriter,
  head: Pick<FrameHead, 'outputBytes' | 'tag' | 'back' | 'from'> & {
    readonly streams: Readonly<Record<StreamName, PackedStream>>;
    /** True if the frame is the output's last one. */
    readonly isLast: boolean;
  },
): void {
  const has = (name: StreamName): boolean => head.streams[name].rawBytes > 0;
  let mask = 0;
  STREAM_NAMES.forEach((name, bit) => {
    if (has(name)) mask |= 1 << bit;
  });
  to.varint(head.isLast ? 0 : head.outputBytes).byte(mask);
  if (head.tag !== undefined) to.bytes(head.tag);
  if (has('model')) {
    to.varint(head.back);
    if (head.back > 0) to.varint(head.from);
  }
  for (const name of STREAM_NAMES) {
    if (!has(name)) continue;
    if (COMPRESSED.includes(name)) to.varint(head.streams[name].rawBytes);
    else writeShortHead(to, head.streams[name]);
  }
}

/** Where one stream begins in the delta. */
export function streamOffset(head: FrameHead, wanted: StreamName): number {
  let at = head.dataOffset;
  for (const name of STREAM_NAMES) {
    if (name === wanted) break;
    at += head.streams[name].storedBytes;
  }
  return at;
}

function broken(offset: number, problem: string): DeltaError {
  return new DeltaError('bad_format', `the frame at byte ${offset} ${problem}`);
}
