import { DeltaError } from '../errors.ts';
import type { BaseSpace } from './base-space.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';
import {
  EMPTY_STREAM,
  METHOD,
  readShortHead,
  writeShortHead,
  type StreamHead,
} from './stream-head.ts';
import type { PackedStream } from './stream.ts';

/** How a pair's streams are coded (FORMAT.md, "pairs"). */
export const PROFILE = { small: 0, fast: 1 } as const;
export type PairProfile = (typeof PROFILE)[keyof typeof PROFILE];

/** The most streams of a set. */
const SET_STREAMS = 4;

/** Old bytes of a pair: a range of one base file. */
export interface PairSource {
  readonly address: number;
  readonly length: number;
}

export interface PairRecord {
  readonly profile: PairProfile;
  readonly sources: readonly PairSource[];
  readonly newBytes: number;
}

/** Writes a record up to its control; a length of 0 says that a range, or the pair, is all there is. */
export function writePairRecord(
  to: ByteWriter,
  pair: PairRecord,
  space: BaseSpace,
  outputSize: number,
): void {
  to.varint(pair.sources.length * 2 + pair.profile);
  let predicted = 0;
  for (const { address, length } of pair.sources) {
    to.zigzag(address - predicted).varint(length === space.left(address) ? 0 : length);
    predicted = address + length;
  }
  to.varint(pair.newBytes === outputSize ? 0 : pair.newBytes);
}

/** Reads and bounds a record up to its control: ranges are whole and lie within base files. */
export function readPairRecord(
  reader: ByteReader,
  space: BaseSpace,
  outputSize: number,
): PairRecord {
  const head = reader.varint(LIMITS.pairSources * 2 + 1);
  const profile = head % 2 === 0 ? PROFILE.small : PROFILE.fast;
  const sources: PairSource[] = [];
  let predicted = 0;
  let oldBytes = 0;
  for (let n = 0; n < (head - profile) / 2; n += 1) {
    const address = predicted + reader.zigzag();
    const named = reader.varint(LIMITS.pairBytes);
    const length = named === 0 ? space.left(address) : named;
    space.locate(address, length);
    sources.push({ address, length });
    predicted = address + length;
    oldBytes += length;
    if (oldBytes > LIMITS.pairBytes) throw broken(`has ${oldBytes} old bytes`);
  }
  const named = reader.varint(LIMITS.pairBytes);
  const newBytes = named === 0 ? outputSize : named;
  if (newBytes === 0 || newBytes > LIMITS.pairBytes) throw broken(`has ${newBytes} new bytes`);
  return { profile, sources, newBytes };
}

/** Writes a stream set; `isLast` if nothing follows it in its stream. */
export function writeStreamSet(
  to: ByteWriter,
  profile: PairProfile,
  streams: readonly PackedStream[],
  isLast: boolean,
): void {
  if (profile === PROFILE.small) {
    const [stream] = streams;
    if (stream === undefined || streams.length > 1) throw new RangeError('one stream is coded');
    to.varint(isLast ? 0 : stream.stored.length + 1).bytes(stream.stored);
    return;
  }
  if (streams.length > SET_STREAMS) throw new RangeError(`${streams.length} streams of a section`);
  let mask = 0;
  streams.forEach((stream, n) => {
    if (stream.rawBytes > 0) mask |= 1 << n;
  });
  to.byte(mask);
  for (const stream of streams) if (stream.rawBytes > 0) writeShortHead(to, stream);
  for (const stream of streams) to.bytes(stream.stored);
}

/** The heads of a set, empty streams included; the stored bytes follow one after another. */
export function readSetHeads(
  reader: ByteReader,
  profile: PairProfile,
  /** Bytes of the stream that the set is part of, from where `reader` began. */
  streamBytes: number,
): readonly StreamHead[] {
  if (profile === PROFILE.small) {
    const named = reader.varint(LIMITS.streamBytes + 1);
    const rawBytes = named === 0 ? streamBytes - reader.offset : named - 1;
    if (rawBytes > LIMITS.streamBytes) throw broken(`has a stream of ${rawBytes} bytes`);
    return [{ method: METHOD.stored, rawBytes, storedBytes: rawBytes }];
  }
  const mask = reader.byte();
  if (mask >= 1 << SET_STREAMS) throw broken(`has the unknown streams ${mask}`);
  return Array.from({ length: SET_STREAMS }, (_, index) =>
    (mask & (1 << index)) === 0 ? EMPTY_STREAM : readShortHead(reader),
  );
}

function broken(problem: string): DeltaError {
  return new DeltaError('bad_format', `a pair of the delta ${problem}`);
}
