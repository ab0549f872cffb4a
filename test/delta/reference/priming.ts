import type { Pair } from './pair.ts';

const SAMPLE = 1024;
const MAX_SAMPLES = 32;
const LITERALS_PER_SAMPLE = 64;
const MIN_CODE = 4096;

/** What the literal model reads before a section: spread evenly over the first image's code. */
export function samplesOf(pair: Pair, literals: number): Uint8Array[] {
  const sections = pair.images[0]?.sections.filter((section) => section.role === 'code') ?? [];
  const code = sections.reduce((sum, section) => sum + section.bytes, 0);
  if (code < MIN_CODE) return [];
  const count = Math.min(MAX_SAMPLES, Math.floor(literals / LITERALS_PER_SAMPLE));
  return Array.from({ length: count }, (_, n) => {
    let place = Math.floor((code * n) / count);
    for (const { offset, bytes } of sections) {
      if (place < bytes) {
        const from = offset + place;
        return pair.old.array.subarray(from, from + Math.min(SAMPLE, bytes - place));
      }
      place -= bytes;
    }
    return new Uint8Array(0);
  });
}
