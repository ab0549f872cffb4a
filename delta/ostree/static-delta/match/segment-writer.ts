import type { Segment } from '../segment.ts';

/**
 * Makes segments of the places where matching jumps in the old bytes. Between two jumps the first
 * diff goes on, and the second one begins earlier, as long as more than half of the bytes agree; where
 * both want the same bytes, they are cut where most agree. What neither wants is extra.
 */
export class SegmentWriter {
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #segments: Segment[] = [];
  /** Where the open diff begins. */
  #newStart = 0;
  #oldStart = 0;

  constructor(old: Uint8Array, fresh: Uint8Array) {
    this.#old = old;
    this.#fresh = fresh;
  }

  /** From `newOffset` on, the new bytes resemble the old ones from `oldOffset`. */
  jump(newOffset: number, oldOffset: number): void {
    const gap = newOffset - this.#newStart;
    let forward = this.#forward(gap);
    let backward = this.#backward(newOffset, oldOffset, gap);
    if (forward + backward > gap) {
      const overlap = forward + backward - gap;
      const kept = this.#bestCut(newOffset, oldOffset, forward - overlap, overlap);
      backward -= kept;
      forward += kept - overlap;
    }
    this.#segments.push({
      oldOffset: this.#oldStart,
      diffLength: forward,
      extraLength: gap - forward - backward,
    });
    this.#newStart = newOffset - backward;
    this.#oldStart = oldOffset - backward;
  }

  /** All segments; empty ones are left out. */
  end(): readonly Segment[] {
    const gap = this.#fresh.length - this.#newStart;
    const diffLength = this.#forward(gap);
    const last = { oldOffset: this.#oldStart, diffLength, extraLength: gap - diffLength };
    return [...this.#segments, last].filter((s) => s.diffLength + s.extraLength > 0);
  }

  /** How far the open diff goes. */
  #forward(gap: number): number {
    const most = Math.min(gap, this.#old.length - this.#oldStart);
    let best = 0;
    let bestLength = 0;
    let score = 0;
    for (let i = 0; i < most; i += 1) {
      score += this.#old[this.#oldStart + i] === this.#fresh[this.#newStart + i] ? 1 : -1;
      if (score <= best) continue;
      best = score;
      bestLength = i + 1;
    }
    return bestLength;
  }

  /** How far before the jump the next diff begins. */
  #backward(newOffset: number, oldOffset: number, gap: number): number {
    const most = Math.min(gap, oldOffset);
    let best = 0;
    let bestLength = 0;
    let score = 0;
    for (let i = 1; i <= most; i += 1) {
      score += this.#old[oldOffset - i] === this.#fresh[newOffset - i] ? 1 : -1;
      if (score <= best) continue;
      best = score;
      bestLength = i;
    }
    return bestLength;
  }

  /** How many bytes of the overlap the open diff keeps; `start` is the overlap's place in it. */
  #bestCut(newOffset: number, oldOffset: number, start: number, overlap: number): number {
    const from = this.#newStart + start;
    const before = this.#oldStart + start;
    const after = oldOffset - newOffset + from;
    let best = 0;
    let bestLength = 0;
    let score = 0;
    for (let i = 0; i < overlap; i += 1) {
      const byte = this.#fresh[from + i];
      if (this.#old[before + i] === byte) score += 1;
      if (this.#old[after + i] === byte) score -= 1;
      if (score <= best) continue;
      best = score;
      bestLength = i + 1;
    }
    return bestLength;
  }
}
