import { bucketOf, RollingHash } from './rolling-hash.ts';

/**
 * Where blocks of the old bytes stand: those of `blockBytes` bytes that begin at a multiple of
 * `stepBytes`, in lists by a hash that can be rolled on. Blocks of one byte only are left out, since
 * padding is everywhere. Takes some 9 / `stepBytes` bytes for each old byte. The tables are open to the
 * matcher: it looks at them for every new byte.
 */
export class BlockIndex {
  readonly hash: RollingHash;
  readonly stepBytes: number;
  /** For `bucketOf`. */
  readonly shift: number;
  /** By bucket: the last place, as number of the step plus 1; 0 for none. */
  readonly heads: Int32Array;
  /** By place: the one before of the same bucket, in the same way; they descend. */
  readonly next: Int32Array;
  /** By place: the lowest byte of its hash, which spares most looks at the old bytes. */
  readonly tags: Uint8Array;

  constructor(old: Uint8Array, blockBytes: number, stepBytes: number) {
    this.hash = new RollingHash(blockBytes);
    this.stepBytes = stepBytes;
    const steps = Math.max(Math.floor((old.length - blockBytes) / stepBytes) + 1, 0);
    const bits = Math.max(8, Math.min(23, Math.ceil(Math.log2(steps + 1))));
    this.shift = 32 - bits;
    this.heads = new Int32Array(2 ** bits);
    this.next = new Int32Array(steps);
    this.tags = new Uint8Array(steps);
    if (steps > 0) this.#fill(old, steps);
  }

  #fill(old: Uint8Array, steps: number): void {
    const { hash, heads, next, tags, stepBytes, shift } = this;
    let value = hash.of(old, 0);
    for (let place = 0; ;) {
      const at = place * stepBytes;
      if (!isFlat(old, at, hash.blockBytes)) {
        const bucket = bucketOf(value, shift);
        next[place] = heads[bucket] ?? 0;
        heads[bucket] = place + 1;
        tags[place] = value;
      }
      place += 1;
      if (place === steps) return;
      for (let i = at; i < at + stepBytes; i += 1) value = hash.roll(value, old, i);
    }
  }
}

function isFlat(bytes: Uint8Array, start: number, length: number): boolean {
  const first = bytes[start];
  for (let i = start + length - 1; i > start; i -= 1) if (bytes[i] !== first) return false;
  return true;
}
