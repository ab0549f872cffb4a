import type { Pair } from './pair.ts';

const SAMPLE = 1024;
const MAX_SAMPLES = 32;
const LITERALS_PER_SAMPLE = 64;
const MIN_CODE = 4096;

export interface Sample {
  /** Old offset. */
  readonly old: number;
  readonly bytes: Uint8Array;
}

/** What the literal model reads before a section: spread evenly over the first image's code. */
export function samplesOf(pair: Pair, literals: number): Sample[] {
  const sections = pair.images[0]?.sections.filter((section) => section.role === 'code') ?? [];
  const code = sections.reduce((sum, section) => sum + section.bytes, 0);
  if (code < MIN_CODE) return [];
  const count = Math.min(MAX_SAMPLES, Math.floor(literals / LITERALS_PER_SAMPLE));
  return Array.from({ length: count }, (_, n) => {
    let place = Math.floor((code * n) / count) & ~3;
    for (const { offset, bytes } of sections) {
      if (place < bytes) {
        const from = offset + place;
        const to = from + Math.min(SAMPLE, bytes - place);
        return { old: from, bytes: pair.old.array.subarray(from, to) };
      }
      place -= bytes;
    }
    throw new Error('sample outside of the code');
  });
}
