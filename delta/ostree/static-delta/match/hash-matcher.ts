import type { Matcher, Segment } from '../segment.ts';
import { BlockIndex } from './block-index.ts';
import { bucketOf } from './rolling-hash.ts';
import { SegmentWriter } from './segment-writer.ts';

/**
 * Block and step of the index by the size of the old file: fine where that is cheap. A match of block
 * plus step bytes is always found, a shorter one by luck.
 */
const SCALES = [
  { maxBytes: 1024 * 1024, blockBytes: 12, stepBytes: 1 },
  { maxBytes: 16 * 1024 * 1024, blockBytes: 16, stepBytes: 4 },
  { maxBytes: Infinity, blockBytes: 16, stepBytes: 8 },
] as const;

/** Old places of one hash that are looked at: in repetitive files there is no end of them. */
const MAX_CHAIN = 8;
/** A match elsewhere must make this many bytes more equal than going on as before. */
const LEAST_GAIN = 8;
/** Equal bytes in a row after which nothing better is looked for. */
const SURE_BYTES = 24;

/**
 * Matching by a hash of blocks, in the way of bsdiff: the old bytes are followed side by side with the
 * new ones, differences and all, until a run of equal bytes stands somewhere else that is worth a jump;
 * then both sides are extended as far as more than half of the bytes agree (Percival, "Naive
 * differences of executable code", 2003, with an index in place of the suffix array).
 */
export const hashMatcher: Matcher = {
  match: (old, fresh) => {
    const scale = SCALES.find(({ maxBytes }) => old.length <= maxBytes) ?? SCALES[2];
    const index = new BlockIndex(old, scale.blockBytes, scale.stepBytes);
    return new Scan(old, fresh, index).run();
  },
};

class Scan {
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #index: BlockIndex;
  readonly #writer: SegmentWriter;
  /** Old offset less new offset of what is followed. */
  #shift = 0;
  /** What {@link #findLongest} found; no length if nothing. */
  #jumpOffset = 0;
  #jumpLength = 0;

  constructor(old: Uint8Array, fresh: Uint8Array, index: BlockIndex) {
    this.#old = old;
    this.#fresh = fresh;
    this.#index = index;
    this.#writer = new SegmentWriter(old, fresh);
  }

  run(): readonly Segment[] {
    const end = this.#fresh.length;
    for (let at = 0; at < end;) {
      at += equalBytes(this.#old, at + this.#shift, this.#fresh, at);
      if (at < end) at = this.#search(at);
    }
    return this.#writer.end();
  }

  /** From a difference on: looks for a place to jump to; returns where to follow on. */
  #search(from: number): number {
    const old = this.#old;
    const fresh = this.#fresh;
    const shift = this.#shift;
    const { hash, heads, shift: bucketShift } = this.#index;
    const last = fresh.length - hash.blockBytes;
    if (from > last) return fresh.length;
    let value = hash.of(fresh, from);
    let run = 0;
    for (let at = from; ; at += 1) {
      run = old[at + shift] === fresh[at] ? run + 1 : 0;
      if (run >= SURE_BYTES) return at + 1;
      const place = (heads[bucketOf(value, bucketShift)] ?? 0) - 1;
      if (place >= 0) {
        this.#findLongest(at, value, place);
        const length = this.#jumpLength;
        if (this.#gain(at) >= LEAST_GAIN) {
          const back = equalBefore(old, this.#jumpOffset, fresh, at, from);
          this.#writer.jump(at - back, this.#jumpOffset - back);
          this.#shift = this.#jumpOffset - at;
          return at + length;
        }
        // Almost as good as what is followed: looking at each byte of it would take for ever.
        if (length >= SURE_BYTES) return at + length;
      }
      if (at >= last) return fresh.length;
      value = hash.roll(value, fresh, at);
    }
  }

  /** Finds the longest equal run among the places of a hash, and the nearest of those. */
  #findLongest(at: number, value: number, first: number): void {
    const old = this.#old;
    const fresh = this.#fresh;
    const { hash, next, tags, stepBytes } = this.#index;
    const tag = value & 0xff;
    let bestOffset = 0;
    let bestLength = 0;
    let place = first;
    for (let tries = MAX_CHAIN; place >= 0 && tries > 0; tries -= 1) {
      if (tags[place] === tag) {
        const offset = place * stepBytes;
        const length = equalBytes(old, offset, fresh, at);
        const isNearer = this.#distance(at, offset) < this.#distance(at, bestOffset);
        if (length > bestLength || (length === bestLength && isNearer)) {
          bestLength = length;
          bestOffset = offset;
        }
      }
      place = (next[place] ?? 0) - 1;
    }
    this.#jumpOffset = bestOffset;
    this.#jumpLength = bestLength >= hash.blockBytes ? bestLength : 0;
  }

  /** How many more bytes are equal with the jump than without, as far as it goes. */
  #gain(at: number): number {
    const old = this.#old;
    const fresh = this.#fresh;
    const shift = this.#shift;
    const end = at + this.#jumpLength;
    let gain = 0;
    for (let i = at; i < end; i += 1) if (old[i + shift] !== fresh[i]) gain += 1;
    return gain;
  }

  #distance(at: number, oldOffset: number): number {
    return Math.abs(oldOffset - at - this.#shift);
  }
}

/** Equal bytes in a row from there on. */
function equalBytes(
  old: Uint8Array,
  oldOffset: number,
  fresh: Uint8Array,
  newOffset: number,
): number {
  if (oldOffset < 0) return 0;
  const most = Math.min(fresh.length - newOffset, old.length - oldOffset);
  let length = 0;
  while (length < most && old[oldOffset + length] === fresh[newOffset + length]) length += 1;
  return length;
}

/** Equal bytes in a row before there, not further back than `from`. */
function equalBefore(
  old: Uint8Array,
  oldOffset: number,
  fresh: Uint8Array,
  newOffset: number,
  from: number,
): number {
  const most = Math.min(oldOffset, newOffset - from);
  let length = 0;
  while (length < most && old[oldOffset - length - 1] === fresh[newOffset - length - 1]) {
    length += 1;
  }
  return length;
}
