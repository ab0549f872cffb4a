import { deflateRawSync } from 'node:zlib';

import type { RandomAccess } from '../../../../storage/random-access.ts';

/** A range of bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Up to here all bytes are tried, beyond samples of them. */
const WHOLE_BYTES = 512 * 1024;
const SAMPLE_BYTES = 16 * 1024;
const LEVEL = 1;
/** Bits that the trial takes for the longest match of one byte repeated; xz takes next to none. */
const RUN_BYTES = 258;
const RUN_BITS = 6;

/**
 * About how many bytes the ranges of a content take when compressed: good enough to tell which of two
 * codings is smaller, at a hundredth of the time.
 */
export async function estimateBytes(
  content: RandomAccess,
  ranges: readonly Range[] = [{ offset: 0, length: content.size }],
): Promise<number> {
  const total = ranges.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) return 0;
  const sample = await takeSample(content, ranges, total);
  const packed = deflateRawSync(sample, { level: LEVEL, ...memoryFor(sample.length) }).length;
  const floor = (sample.length / RUN_BYTES) * (RUN_BITS / 8);
  return Math.max(packed - floor, 1) * (total / sample.length);
}

/**
 * A window and tables of zlib's that are as large as the sample needs: those of 32 KiB and more, made and
 * cleared for each of many small files, cost more than what they find.
 */
function memoryFor(bytes: number): { readonly windowBits: number; readonly memLevel: number } {
  const windowBits = Math.max(9, Math.min(15, Math.ceil(Math.log2(bytes))));
  return { windowBits, memLevel: windowBits - 7 };
}

async function takeSample(
  content: RandomAccess,
  ranges: readonly Range[],
  total: number,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  if (total <= WHOLE_BYTES) {
    for (const { offset, length } of ranges) pieces.push(await content.read(offset, length));
    // Mostly it is one range, which need not be copied.
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }
  const step = total / (WHOLE_BYTES / SAMPLE_BYTES);
  let next = 0;
  let before = 0;
  for (const { offset, length } of ranges) {
    // Samples that begin in this range; one that would go past its end is cut there.
    for (; next < before + length; next += step) {
      const start = Math.floor(next - before);
      const bytes = Math.min(SAMPLE_BYTES, length - start);
      if (bytes > 0) pieces.push(await content.read(offset + start, bytes));
    }
    before += length;
  }
  return Buffer.concat(pieces);
}
