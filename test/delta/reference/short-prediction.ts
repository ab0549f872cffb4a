// Short fields of a block that lead out of it (CODING.md, "Short fields").

import type { Block } from './block-map.ts';
import type { Expectation } from './expectation.ts';
import type { Image } from './image.ts';
import type { Output } from './output.ts';
import type { Pair } from './pair.ts';
import { findShorts, type Short } from './shorts.ts';

const FIRST_KIND = 22;
const FIRST_TRUST = 40000;
const CONFIDENCE = 50;
const MAX_WAITING = 48;

/** For each group of forms: how often the mapped value rather than the old one was right. */
export class ShortTrust {
  readonly #right = new Uint16Array(4).fill(FIRST_TRUST);

  of(group: number): number {
    return this.#right[group] ?? 0;
  }

  learn(group: number, mappedIsRight: boolean): void {
    const known = this.of(group);
    this.#right[group] = mappedIsRight ? known + ((65535 - known) >> 5) : known - (known >> 5);
  }
}

export class ShortPrediction {
  readonly #pair: Pair;
  readonly #trust: ShortTrust;
  readonly #expectation: Expectation;
  readonly #block: Block;
  readonly #image: Image;
  #waiting: Short[] = [];

  constructor(pair: Pair, trust: ShortTrust, expectation: Expectation, block: Block, image: Image) {
    this.#pair = pair;
    this.#trust = trust;
    this.#expectation = expectation;
    this.#block = block;
    this.#image = image;
  }

  /** Predicts the fields that begin in [from, to); references come first. */
  predict(from: number, to: number): void {
    const isTaken = (at: number) => this.#expectation.kind(at) !== 0;
    const taken = new Set<number>();
    for (let at = from - 4; at < to + 4; at++) if (isTaken(at)) taken.add(at);
    for (const short of findShorts(this.#pair, this.#block, this.#image, from, to, taken)) {
      this.#place(short);
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push(short);
    }
  }

  #place(short: Short): void {
    const { position, width, group } = short;
    const right = this.#trust.of(group);
    const isMapped = right >= 32768;
    const first = isMapped ? short.mapped : short.old;
    const second = isMapped ? short.old : short.mapped;
    const sure = CONFIDENCE + (right < 50000 ? 1 : 0) + (right < 60000 ? 2 : 0);
    for (let i = 0; i < width; i++) {
      this.#expectation.predicted.setU8(position + i, (first >>> (8 * i)) & 255);
      this.#expectation.other.setU8(position + i, (second >>> (8 * i)) & 255);
    }
    this.#expectation.mark(position, width, FIRST_KIND + group, sure);
  }

  /** Learns from the fields that end at or before `to`. */
  learn(out: Output, to: number): void {
    const complete = this.#waiting.filter((short) => short.position + short.width <= to);
    this.#waiting = this.#waiting.filter((short) => short.position + short.width > to);
    for (const { position, width, group, mapped, old } of complete) {
      const at = this.#block.fresh + position;
      const holds = (value: number) =>
        Array.from({ length: width }, (_, i) => out.bytes[at + i]).every(
          (byte, i) => byte === ((value >>> (8 * i)) & 255),
        );
      if (holds(mapped)) this.#trust.learn(group, true);
      else if (holds(old)) this.#trust.learn(group, false);
    }
  }
}
