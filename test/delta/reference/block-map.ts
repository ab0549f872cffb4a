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

/** Of two blocks with the same old bytes the longer keeps them, of equal ones the earlier. */
function withoutOverlaps(blocks: readonly Block[]): Block[] {
  const kept: Block[] = [];
  for (const block of blocks.toSorted((a, b) => a.old - b.old || a.fresh - b.fresh)) {
    const rest = makeRoom(kept, block);
    if (rest > 0) kept.push(endOf(block, rest));
  }
  return kept;
}

/** Cuts or drops the last blocks where `block` is longer; how many of its last bytes it keeps. */
function makeRoom(kept: Block[], block: Block): number {
  for (let before = kept.pop(); before; before = kept.pop()) {
    const end = before.old + before.length;
    const isFree = end <= block.old;
    // A block that was cut at its front can begin behind this one, which the cutting block then covers.
    const isCovered = block.old + block.length <= before.old;
    if (isFree || isCovered || before.length >= block.length) {
      kept.push(before);
      return isCovered ? 0 : Math.min(block.length, block.old + block.length - end);
    }
    if (block.old <= before.old) continue;
    kept.push({ ...before, length: block.old - before.old });
    break;
  }
  return block.length;
}

function endOf(block: Block, length: number): Block {
  const cut = block.length - length;
  return { old: block.old + cut, fresh: block.fresh + cut, length };
}
