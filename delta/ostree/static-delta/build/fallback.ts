import type { IoOptions } from '../../../../storage/object-store.ts';
import { checkAborted } from '../../../errors.ts';
import { writeFilez } from '../../objects/filez-write.ts';
import { STATIC_DELTA_LIMITS } from '../limits.ts';
import type { FileContent } from '../object-sink.ts';
import type { CodedFile } from './file-coder.ts';
import { literalRanges, type FileCoding } from './file-coding.ts';

/** Smaller objects stay in the delta: a request of their own costs more. */
const LEAST_BYTES = 1024 * 1024;
/** Where compression saves less than this part, the loose object may be as small. */
const LEAST_SAVING = 0.03;
/**
 * A loose object this much larger is still preferred: caches hold it once for the deltas from every
 * commit.
 */
const LOOSE_TOLERANCE = 1.005;
/** What a payload may take of its limit; the rest is for tables and operations. */
const MOST_PAYLOAD_BYTES = STATIC_DELTA_LIMITS.payloadBytes * 0.9;
const PIECE_BYTES = 256 * 1024;

/** Bytes that a coding adds to the blob. */
export function blobBytesOf(coding: FileCoding, contentBytes: number): number {
  switch (coding.kind) {
    case 'whole':
      return contentBytes;
    case 'pieces':
      return literalRanges(coding.pieces).reduce((total, { length }) => total + length, 0);
    case 'patch':
      return coding.stream.size;
    case 'fallback':
      return 0;
  }
}

/**
 * The file as a fallback where that is better than its coding: where clients would refuse the payload,
 * and where the loose object is as small as what the delta would carry.
 */
export async function orFallback(
  coded: CodedFile,
  file: FileContent,
  { signal }: IoOptions,
): Promise<CodedFile> {
  const { size } = file.content;
  const isTooLarge = blobBytesOf(coded.coding, size) > MOST_PAYLOAD_BYTES;
  const mayBeLoose = size >= LEAST_BYTES && coded.cost >= size * (1 - LEAST_SAVING);
  if (!isTooLarge && !mayBeLoose) return coded;
  const compressedBytes = await looseBytes(file, signal);
  if (!isTooLarge && compressedBytes > coded.cost * LOOSE_TOLERANCE) return coded;
  const reason = isTooLarge ? 'too-large' : 'incompressible';
  return { coding: { kind: 'fallback', compressedBytes }, reason, cost: compressedBytes };
}

/** Bytes of the `.filez`. */
async function looseBytes(
  { header, content }: FileContent,
  signal: AbortSignal | undefined,
): Promise<number> {
  let bytes = 0;
  const head = { header, size: content.size };
  for await (const piece of writeFilez(head, piecesOf(content, signal))) bytes += piece.length;
  return bytes;
}

async function* piecesOf(
  content: FileContent['content'],
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.size; at += PIECE_BYTES) {
    checkAborted(signal, 'compressing an object');
    yield content.read(at, Math.min(PIECE_BYTES, content.size - at));
  }
}
