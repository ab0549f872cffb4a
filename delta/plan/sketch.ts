import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { checkAborted } from '../errors.ts';
import { PIECE_BYTES } from '../format/limits.ts';

/** Grams that a sketch keeps, about; files of fewer bytes keep all of theirs. */
const WANTED_GRAMS = 512;
const GRAM_BYTES = 8;

/**
 * A sample of a file's grams of 8 bytes by their hashes (Broder, "On the resemblance and containment of
 * documents", 1997): those with a hash of at most `limit`. Of two files' samples, the hashes up to the
 * smaller limit can be compared.
 */
export interface Sketch {
  readonly hashes: ReadonlySet<number>;
  readonly limit: number;
}

/** Reads `length` bytes from `offset` and samples them. */
export async function sketchOf(
  file: RandomAccess,
  { offset, length }: { readonly offset: number; readonly length: number },
  { signal }: IoOptions,
): Promise<Sketch> {
  const limit = 2 ** 32 / 2 ** Math.max(0, Math.floor(Math.log2(length / WANTED_GRAMS))) - 1;
  const hashes = new Set<number>();
  let low = 0;
  let high = 0;
  for (let at = 0; at < length; at += PIECE_BYTES) {
    checkAborted(signal, 'comparing files');
    const piece = await file.read(offset + at, Math.min(PIECE_BYTES, length - at));
    for (let i = 0; i < piece.length; i += 1) {
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) | ((piece[i] ?? 0) << 24);
      // Runs of one byte are in every file.
      if (low === high || at + i + 1 < GRAM_BYTES) continue;
      const hash = mix(Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b));
      if (hash <= limit) hashes.add(hash);
    }
  }
  return { hashes, limit };
}

/** The hashes of `sketch` that `other` has too, and how many of its hashes could be compared. */
export function compareSketches(
  sketch: Sketch,
  other: Sketch,
): { readonly shared: readonly number[]; readonly compared: number } {
  const limit = Math.min(sketch.limit, other.limit);
  const compared = [...sketch.hashes].filter((hash) => hash <= limit);
  return { shared: compared.filter((hash) => other.hashes.has(hash)), compared: compared.length };
}

function mix(value: number): number {
  const once = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  const twice = Math.imul(once ^ (once >>> 12), 0x297a2d39);
  return (twice ^ (twice >>> 15)) >>> 0;
}
