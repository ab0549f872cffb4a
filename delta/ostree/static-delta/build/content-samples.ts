import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted } from '../../../errors.ts';

/** Bytes that a sample stands for: what the rolling sum of 32 bits remembers. */
const WINDOW_BYTES = 32;
const PIECE_BYTES = 256 * 1024;
/** Samples wanted of a file; small ones give one for 16 bytes, huge ones one for 4096. */
const WANTED_SAMPLES = 128;
const LEAST_RATE = 4;
const MOST_RATE = 12;

/**
 * A random number for each byte, fixed for ever: the sum rolls by them (Xia and others, "Ddelta", 2014).
 * Made by the multiplications of a known mixing function (MurmurHash3).
 */
const GEAR = Uint32Array.from({ length: 256 }, (_, byte) => mix(Math.imul(byte + 1, 0x9e37_79b1)));

/** Windows of a file, chosen by what they hold, so that the same bytes are chosen anywhere. */
export interface ContentSamples {
  /** Distinct sums of the windows. */
  readonly sums: readonly number[];
  /** One window of 2^rate is chosen. What a higher rate chooses, a lower one chooses too. */
  readonly rate: number;
}

/** The rate at which a file of that many bytes is sampled. */
export function rateFor(bytes: number): number {
  const rate = Math.floor(Math.log2(Math.max(bytes, 1) / WANTED_SAMPLES));
  return Math.max(LEAST_RATE, Math.min(MOST_RATE, rate));
}

/** Reads a file once and samples it. */
export async function sampleContent(
  content: RandomAccess,
  { signal }: IoOptions,
): Promise<ContentSamples> {
  const rate = rateFor(content.size);
  const sums = new Set<number>();
  for (let at = 0; at < content.size; at += PIECE_BYTES) {
    checkAborted(signal, 'comparing files');
    // Windows that begin in the piece before end in this one.
    const start = Math.max(0, at - WINDOW_BYTES + 1);
    const end = Math.min(content.size, at + PIECE_BYTES);
    samplePiece(await content.read(start, end - start), rate, sums);
  }
  return { sums: [...sums], rate };
}

function samplePiece(bytes: Uint8Array, rate: number, sums: Set<number>): void {
  const shift = 32 - rate;
  let sum = 0;
  let last = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    sum = ((sum << 1) + (GEAR[bytes[i] ?? 0] ?? 0)) | 0;
    // The same window again and again is padding.
    if (sum >>> shift !== 0 || sum === last || i < WINDOW_BYTES - 1) continue;
    last = sum;
    sums.add(windowSum(bytes, i - WINDOW_BYTES + 1));
  }
}

/** The rolling sum's low bits know only the last bytes, so chosen windows get a sum of their own. */
function windowSum(bytes: Uint8Array, start: number): number {
  let sum = 0x811c_9dc5;
  for (let i = start; i < start + WINDOW_BYTES; i += 1) {
    sum = Math.imul(sum ^ (bytes[i] ?? 0), 0x0100_0193);
  }
  return mix(sum);
}

function mix(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2_ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}
