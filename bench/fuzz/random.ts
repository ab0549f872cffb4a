import { createHash } from 'node:crypto';

/** Numbers that follow from what they are named by (mulberry32). */
export class Random {
  #state: number;

  constructor(...names: readonly (string | number)[]) {
    this.#state = createHash('sha256').update(names.join(' ')).digest().readUInt32LE(0);
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `count` - 1; 0 if there is none. */
  below(count: number): number {
    return count <= 0 ? 0 : this.next() % count;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.next() & 0xff;
    return bytes;
  }
}
