import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted } from '../../../errors.ts';
import { bucketOf, RollingHash } from './rolling-hash.ts';

/** A copy of this many bytes is worth its operations. */
const LEAST_BLOCK_BYTES = 64;
/** Blocks of all sources, at most, unless blocks of {@link MOST_BLOCK_BYTES} are more. */
const WANTED_BLOCKS = 2 ** 20;
const MOST_BLOCK_BYTES = 64 * 1024;
const READ_BYTES = 1024 * 1024;
/** Places of one hash that are looked at. */
const MAX_PLACES = 4;

/** The aligned blocks of several sources by a hash that can be rolled on. */
export class BlockTable {
  readonly hash: RollingHash;
  readonly #shift: number;
  /** Number of the first block of a bucket plus 1, and of the next one in the same. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #hashes: Int32Array;
  /** Number of the first block of each source, and one past the last. */
  readonly #starts: readonly number[];

  private constructor(sources: readonly RandomAccess[]) {
    const total = sources.reduce((sum, { size }) => sum + size, 0);
    const blockBytes = blockBytesFor(total);
    this.hash = new RollingHash(blockBytes);
    const starts = [0];
    for (const { size } of sources) {
      starts.push((starts.at(-1) ?? 0) + Math.floor(size / blockBytes));
    }
    this.#starts = starts;
    const blocks = starts.at(-1) ?? 0;
    const bits = Math.max(8, Math.min(24, Math.ceil(Math.log2(blocks + 1)) + 1));
    this.#shift = 32 - bits;
    this.#heads = new Int32Array(2 ** bits);
    this.#next = new Int32Array(blocks);
    this.#hashes = new Int32Array(blocks);
  }

  static async of(sources: readonly RandomAccess[], { signal }: IoOptions): Promise<BlockTable> {
    const table = new BlockTable(sources);
    for (const [number, source] of sources.entries()) {
      const first = table.#starts[number] ?? 0;
      const end = Math.floor(source.size / table.blockBytes) * table.blockBytes;
      for (let at = 0; at < end; at += READ_BYTES) {
        checkAborted(signal, 'looking for equal bytes');
        const bytes = await source.read(at, Math.min(READ_BYTES, end - at));
        table.#addAll(bytes, first + at / table.blockBytes);
      }
    }
    return table;
  }

  /** Bytes of a block. */
  get blockBytes(): number {
    return this.hash.blockBytes;
  }

  /** False if no block has that hash; asked for every new byte. */
  mayHold(hash: number): boolean {
    return this.#heads[bucketOf(hash, this.#shift)] !== 0;
  }

  /** Where blocks of that hash stand; whether they are equal is not known. */
  *placesOf(hash: number): Generator<{ readonly source: number; readonly offset: number }> {
    let given = 0;
    let block = (this.#heads[bucketOf(hash, this.#shift)] ?? 0) - 1;
    while (block >= 0 && given < MAX_PLACES) {
      if (this.#hashes[block] === hash) {
        yield this.#placeOf(block);
        given += 1;
      }
      block = (this.#next[block] ?? 0) - 1;
    }
  }

  #placeOf(block: number): { readonly source: number; readonly offset: number } {
    const source = this.#starts.findLastIndex((start) => start <= block);
    return { source, offset: (block - (this.#starts[source] ?? 0)) * this.blockBytes };
  }

  /** Of equal blocks only the first few are kept: zeros are everywhere. */
  #addAll(bytes: Uint8Array, firstBlock: number): void {
    for (let at = 0; at < bytes.length; at += this.blockBytes) {
      const hash = this.hash.of(bytes, at);
      if (this.#countOf(hash) >= MAX_PLACES) continue;
      const block = firstBlock + at / this.blockBytes;
      const bucket = bucketOf(hash, this.#shift);
      this.#hashes[block] = hash;
      this.#next[block] = this.#heads[bucket] ?? 0;
      this.#heads[bucket] = block + 1;
    }
  }

  #countOf(hash: number): number {
    let count = 0;
    let block = (this.#heads[bucketOf(hash, this.#shift)] ?? 0) - 1;
    while (block >= 0 && count < MAX_PLACES) {
      if (this.#hashes[block] === hash) count += 1;
      block = (this.#next[block] ?? 0) - 1;
    }
    return count;
  }
}

/** A power of two, so that it divides what is read at once. */
function blockBytesFor(total: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(total / WANTED_BLOCKS, 1)));
  return Math.max(LEAST_BLOCK_BYTES, Math.min(MOST_BLOCK_BYTES, wanted));
}
