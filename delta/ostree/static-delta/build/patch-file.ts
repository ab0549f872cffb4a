import type { IoOptions } from '../../../../storage/object-store.ts';
import { BufferAccess, type RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted } from '../../../errors.ts';
import type { Checksum } from '../../objects/checksum.ts';
import { bsdiffBytes, formatBsdiff } from '../bsdiff-stream.ts';
import { joinSegments } from '../join-segments.ts';
import type { Matcher, Segment } from '../segment.ts';
import type { Spool } from '../spool.ts';
import { estimateBytes } from './cost.ts';
import { literalRanges, type FileCoding, type FilePiece } from './file-coding.ts';
import type { FilePair, PairWindow } from './file-pair.ts';
import { PATCHED_BYTES } from './match-limits.ts';
import { OPERATION_BYTES, segmentsToPieces } from './segment-pieces.ts';

/** What naming a source takes: its checksum and the operations around it. */
export const SOURCE_BYTES = 40;
/** A segment must save this many bytes; its numbers take some of them even when compressed. */
const SEGMENT_PRICE = 6;
/** The prices tried for a stream that is too long for its client: each so many times the one before, up to the highest. */
const PRICE_STEP = 1.5;
const MOST_PRICE = 768;
/**
 * Of what client 2026.3 allows an object's payload beyond its content (`limits.ts`), the fixed part
 * that is left to the stream; the rest is for the object's operations and tables.
 */
const STREAM_SLACK_BYTES = 32 * 1024;
/** If less than one byte of so many is not copied, a stream would be nothing but zeros. */
const HARDLY_ANY = 1000;

/** A coding with about how many bytes it takes when compressed. */
export interface PricedCoding {
  readonly coding: FileCoding;
  readonly cost: number;
}

export interface PatchInput extends IoOptions {
  readonly source: Checksum;
  readonly pair: FilePair;
  readonly matcher: Matcher;
  /** Takes the stream of a file that goes by windows. */
  readonly spool: Spool;
}

/** Codes a file by one source: as a bsdiff stream, or as copies where they come out smaller. */
export async function patchFile(input: PatchInput): Promise<PricedCoding> {
  const { source, pair } = input;
  const matched: MatchedWindow[] = [];
  const pieces: FilePiece[] = [];
  for (const window of pair.windows) {
    checkAborted(input.signal, 'matching files');
    const { old, fresh } = await pair.read(window);
    const segments = await input.matcher.match(old, fresh);
    matched.push({ window, segments });
    for (const piece of segmentsToPieces(old, fresh, segments, source)) {
      const start = piece.kind === 'copy' ? window.oldStart : window.newStart;
      pieces.push({ ...piece, offset: piece.offset + start });
    }
  }
  const literals = literalRanges(pieces);
  const copies = SOURCE_BYTES + OPERATION_BYTES * pieces.length;
  const inPieces: PricedCoding = {
    coding: { kind: 'pieces', pieces },
    cost: copies + (await estimateBytes(pair.fresh, literals)),
  };
  const literalBytes = literals.reduce((total, { length }) => total + length, 0);
  if (pair.fresh.size > PATCHED_BYTES || literalBytes < pair.fresh.size / HARDLY_ANY) {
    return inPieces;
  }
  const stream = await makeStream(input, matched);
  if (stream === undefined) return inPieces;
  const cost = SOURCE_BYTES + (await estimateBytes(stream));
  return cost < inPieces.cost ? { coding: { kind: 'patch', source, stream }, cost } : inPieces;
}

/** The segments of a window; their old offsets count from where its old bytes begin. */
interface MatchedWindow {
  readonly window: PairWindow;
  readonly segments: readonly Segment[];
}

/** The stream, of so few segments that the client takes it; undefined when that can't be. */
async function makeStream(
  input: PatchInput,
  matched: readonly MatchedWindow[],
): Promise<RandomAccess | undefined> {
  const { size } = input.pair.fresh;
  const most = size + Math.floor(size / 32) + STREAM_SLACK_BYTES;
  for (let price = SEGMENT_PRICE; price <= MOST_PRICE; price *= PRICE_STEP) {
    const joined: MatchedWindow[] = [];
    for (const { window, segments } of matched) {
      const { old, fresh } = await input.pair.read(window);
      joined.push({ window, segments: joinSegments(old, fresh, segments, price) });
    }
    const bytes = joined.reduce((total, { segments }) => total + bsdiffBytes(segments), 0);
    if (bytes <= most) return writeStream(input, joined);
  }
  return undefined;
}

async function writeStream(
  { pair, spool }: PatchInput,
  matched: readonly MatchedWindow[],
): Promise<RandomAccess> {
  const start = spool.size;
  for (const [number, { window, segments }] of matched.entries()) {
    const { old, fresh } = await pair.read(window);
    const next = matched[number + 1];
    const nextOffset = next?.segments[0]?.oldOffset;
    const nextOldOffset =
      next === undefined || nextOffset === undefined
        ? undefined
        : nextOffset + next.window.oldStart - window.oldStart;
    const stream = formatBsdiff(old, fresh, segments, nextOldOffset);
    if (matched.length === 1) return new BufferAccess(stream);
    await spool.append(stream);
  }
  return spool.slice(start, spool.size - start);
}
