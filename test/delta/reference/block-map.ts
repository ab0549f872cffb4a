// Where old bytes and old addresses go (CODING.md, "Map").

import type { Image } from './image.ts';
import { u32 } from './word.ts';

/** `length` new bytes from `fresh` resemble as many old ones from `old`. */
export interface Block {
  readonly fresh: number;
  readonly old: number;
  readonly length: number;
}

export interface Place {
  readonly address: number;
  /** How unsure it is: 0 deep inside a block to 9 nowhere. */
  readonly trust: number;
}

export class BlockMap {
  /** By old offset. */
  readonly #entries: readonly Block[];
  readonly #images: readonly Image[];
  readonly #fresh: Image;

  constructor(blocks: readonly Block[], images: readonly Image[], fresh: Image) {
    this.#entries = withoutOverlaps(blocks);
    this.#images = images;
    this.#fresh = fresh;
  }

  /** The new offset of an old one. */
  offset(old: number): number {
    const i = this.#find(old);
    const block = this.#entries[i];
    if (!block) {
      const first = this.#entries[0];
      return first ? u32(first.fresh - (first.old - old)) : old;
    }
    const inside = old - block.old;
    const next = this.#entries[i + 1];
    if (inside >= block.length && next && u32(next.old - old) < inside - block.length) {
      return u32(next.fresh - (next.old - old));
    }
    return u32(block.fresh + inside);
  }

  /** The new address of an old one; addresses without a place stay as they are. */
  address(address: number): Place {
    const image = this.#images.find((one) => u32(address - one.addressBase) < one.addressSpan);
    if (!image) return { address, trust: 9 };
    const inFile = image.offsetOf(address);
    if (inFile !== undefined) return this.#place(inFile, 0, address, this.#trust(inFile));
    const last = image.segments.findLast(
      (s) => u32(address - s.address) < s.memoryBytes && s.fileBytes !== 0,
    );
    if (!last) return { address, trust: 9 };
    const past = address - (last.address + last.fileBytes - 1);
    return this.#place(last.offset + last.fileBytes - 1, past, address, 8);
  }

  #place(old: number, past: number, address: number, trust: number): Place {
    const offset = this.offset(old);
    const found = this.#fresh.addressOf(offset);
    if (found !== undefined) return { address: u32(found + past), trust };
    const near = this.#fresh.segments.find((s) => u32(offset - s.offset) < s.fileBytes + 4096);
    return { address: near ? u32(near.address + (offset - near.offset) + past) : address, trust };
  }

  #trust(old: number): number {
    const block = this.#entries[this.#find(old)];
    if (!block) return 7;
    const inside = old - block.old;
    if (inside >= block.length) return inside - block.length < 16 ? 5 : 6;
    const edge = Math.min(inside, block.length - inside);
    return edge < 4 ? 4 : edge < 16 ? 3 : edge < 64 ? 2 : edge < 512 ? 1 : 0;
  }

  /** Index of the last entry that begins at or before `old`; -1 when there is none. */
  #find(old: number): number {
    let low = -1;
    let high = this.#entries.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#entries[middle]?.old ?? 0) <= old) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * Of two blocks with the same old bytes the longer keeps them, of equal ones the earlier. A block that
 * loses its first bytes comes again in the order of the rest, four times for each block in all.
 */
function withoutOverlaps(blocks: readonly Block[]): Block[] {
  const kept: Block[] = [];
  const waiting = blocks.toSorted(inOrder);
  let again = 4 * blocks.length;
  for (let block = waiting.shift(); block; block = waiting.shift()) {
    const before = kept.at(-1);
    const cut = before ? before.old + before.length - block.old : 0;
    if (before && cut > 0 && before.length >= block.length) {
      if (cut >= block.length || again === 0) continue;
      again--;
      const rest = { old: block.old + cut, fresh: block.fresh + cut, length: block.length - cut };
      const next = waiting.findIndex((other) => inOrder(rest, other) < 0);
      waiting.splice(next < 0 ? waiting.length : next, 0, rest);
      continue;
    }
    if (before && cut > 0) {
      kept.pop();
      const length = block.old - before.old;
      if (length > 0) kept.push({ ...before, length });
    }
    kept.push(block);
  }
  return kept;
}

function inOrder(a: Block, b: Block): number {
  return a.old - b.old || a.fresh - b.fresh;
}
