import type { RandomAccess } from '../../storage/random-access.ts';
import { REASON, type Reason } from '../format/notes.ts';

const BLOCK_BYTES = 16;
const READ_BYTES = 1024 * 1024;
/** Places of the new file that are looked at, and how much of each. */
const SAMPLES = 64;
const SAMPLE_BYTES = 4096;
/** Aligned blocks of a sample that must be in the old file: 256 equal bytes. */
const SAMPLE_HITS = 16;
/** Samples of the quick look, where each is looked for, and how many must be there. */
const PLACE_SAMPLES = 32;
const PLACE_BYTES = 256 * 1024;
const PLACE_HITS = 4;
/** Small files are cheap to try. */
const MIN_BYTES = 256 * 1024;

/**
 * Why a suffix sort would be a waste of minutes, if it would: the old bytes are mostly copies of a
 * few blocks, or no sample of the new file has anything in common with the old one (packed, encrypted).
 */
export async function reasonToDecline(
  old: RandomAccess,
  fresh: RandomAccess,
): Promise<Reason | undefined> {
  if (old.size < MIN_BYTES || fresh.size < MIN_BYTES) return undefined;
  const index = await BlockSet.of(old);
  if (index.distinct * 8 < index.blocks) return REASON.bsdiffRepetitive;
  return (await isUnlike(index, fresh)) ? REASON.unrelated : undefined;
}

/** True if no sample of the new bytes has anything in common with the old ones: no coder helps then. */
export async function isUnrelated(old: RandomAccess, fresh: RandomAccess): Promise<boolean> {
  if (old.size < MIN_BYTES || fresh.size < MIN_BYTES) return false;
  if (await isAlikeInPlace(old, fresh)) return false;
  return isUnlike(await BlockSet.of(old), fresh);
}

/** A few samples that are found near their own relative place spare the index of all old bytes. */
async function isAlikeInPlace(old: RandomAccess, fresh: RandomAccess): Promise<boolean> {
  let hits = 0;
  for (let n = 0; n < PLACE_SAMPLES; n += 1) {
    const share = (n + 0.5) / PLACE_SAMPLES;
    const at = Math.floor(share * (fresh.size - 2 * BLOCK_BYTES));
    const middle = Math.floor(share * old.size) - PLACE_BYTES / 2;
    const start = Math.max(Math.min(middle, old.size - PLACE_BYTES), 0);
    const near = await old.read(start, Math.min(PLACE_BYTES, old.size));
    const sample = await fresh.read(at, 2 * BLOCK_BYTES);
    if (!isFlat(sample, 0) && near.includes(sample)) hits += 1;
  }
  return hits >= PLACE_HITS;
}

async function isUnlike(index: BlockSet, fresh: RandomAccess): Promise<boolean> {
  const step = Math.max(Math.floor(fresh.size / SAMPLES), SAMPLE_BYTES);
  let judged = 0;
  for (let at = 0; at + SAMPLE_BYTES <= fresh.size; at += step) {
    const { hits, tries } = index.probe(await fresh.read(at, SAMPLE_BYTES));
    if (hits >= SAMPLE_HITS) return false;
    if (tries >= SAMPLE_BYTES / 2) judged += 1;
  }
  return judged > 0;
}

/** The sums of a file's aligned blocks; a false hit (1 in 1000 for 64 MiB) only makes files look alike. */
class BlockSet {
  readonly #slots: Uint32Array;
  blocks = 0;
  distinct = 0;

  private constructor(slots: number) {
    this.#slots = new Uint32Array(slots);
  }

  static async of(source: RandomAccess): Promise<BlockSet> {
    const set = new BlockSet(2 ** Math.ceil(Math.log2((source.size / BLOCK_BYTES) * 2)));
    for (let at = 0; at + BLOCK_BYTES <= source.size; at += READ_BYTES) {
      const bytes = await source.read(at, Math.min(READ_BYTES, source.size - at));
      for (let block = 0; block + BLOCK_BYTES <= bytes.length; block += BLOCK_BYTES) {
        if (!isFlat(bytes, block)) set.#add(blockSum(bytes, block));
      }
    }
    return set;
  }

  /** How many blocks of the sample, at any offset, were looked up (flat ones tell nothing) and found. */
  probe(sample: Buffer): { readonly hits: number; readonly tries: number } {
    let hits = 0;
    let tries = 0;
    for (let at = 0; at + BLOCK_BYTES <= sample.length; at += 1) {
      if (isFlat(sample, at)) continue;
      tries += 1;
      if (this.#find(blockSum(sample, at)).isThere) hits += 1;
    }
    return { hits, tries };
  }

  #add(sum: number): void {
    this.blocks += 1;
    const { slot, isThere } = this.#find(sum);
    if (isThere) return;
    this.distinct += 1;
    this.#slots[slot] = sum;
  }

  #find(sum: number): { readonly slot: number; readonly isThere: boolean } {
    const mask = this.#slots.length - 1;
    let slot = (sum ^ (sum >>> 16)) & mask;
    for (;;) {
      const held = this.#slots[slot];
      if (held === sum) return { slot, isThere: true };
      if (held === 0) return { slot, isThere: false };
      slot = (slot + 1) & mask;
    }
  }
}

/** Padding and zeros: long runs are taken out before bsdiff sees them. */
function isFlat(bytes: Buffer, at: number): boolean {
  return bytes.readUInt32LE(at) === bytes.readUInt32LE(at + 12);
}

function blockSum(bytes: Buffer, at: number): number {
  let sum = 0;
  for (let word = 0; word < BLOCK_BYTES; word += 4) {
    sum = Math.imul(sum ^ bytes.readUInt32LE(at + word), 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  // 0 marks a free slot.
  return sum === 0 ? 1 : sum >>> 0;
}
