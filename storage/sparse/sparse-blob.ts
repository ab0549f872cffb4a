import { DigestHasher, digestAlgorithm, type Digest } from '../digest.ts';
import { checkAborted } from '../durable.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange, IoOptions } from '../object-store.ts';
import { BlockMap, blockSum } from './block-map.ts';
import { PendingBlocks } from './pending-blocks.ts';
import { BLOCK_BYTES, type BlockName, type BlockPlace } from './sparse-store.ts';

/** After that many new blocks the map is written without being asked. */
const SYNC_EVERY_BLOCKS = 32;

/**
 * One blob of which any blocks may be present: a cache's entry, a download to be resumed.
 *
 * A block is present once all its bytes were written; {@link sync} makes the present ones survive a
 * crash (blocks first, then their map in one step), and runs by itself every 32 blocks and on close. A
 * block that was damaged, or never became durable, is noticed by its checksum when it is read.
 */
export class SparseBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly blockBytes = BLOCK_BYTES;
  readonly #place: BlockPlace;
  readonly #map: BlockMap;
  readonly #pending = new PendingBlocks();
  #unsynced = 0;
  #dirty = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** A store opens it ({@link SparseStore.open}); `map`: undefined when nothing of the blob is here. */
  constructor(place: BlockPlace, digest: Digest, size: number, map: BlockMap | undefined) {
    this.digest = digest;
    this.size = size;
    this.#place = place;
    this.#map = map ?? new BlockMap(size, BLOCK_BYTES);
  }

  /** True once every block is present (at once for an empty blob). */
  get complete(): boolean {
    return this.#map.complete;
  }

  /** True once {@link verify} has found the digest right; survives reopening, ends with any lost block. */
  get verified(): boolean {
    return this.#map.verified;
  }

  /** Bytes in present blocks. */
  get presentBytes(): number {
    return this.#map.presentBytes;
  }

  /** True if every byte of the range is in a present block. */
  has(range: ByteRange): boolean {
    return this.missing(range).length === 0;
  }

  /**
   * What must be fetched before the range can be read: ascending ranges that begin and end on block
   * borders (or the end of the blob), neighbours joined.
   */
  missing(range: ByteRange = { start: 0, endExclusive: this.size }): ByteRange[] {
    if (this.size === 0 && range.start === 0 && range.endExclusive === 0) return [];
    this.#checkRange(range);
    const gaps: { start: number; endExclusive: number }[] = [];
    for (
      let block = this.#blockOf(range.start);
      block <= this.#blockOf(range.endExclusive - 1);
      block += 1
    ) {
      if (this.#map.has(block)) continue;
      const start = block * BLOCK_BYTES;
      const endExclusive = start + this.#map.lengthOf(block);
      const last = gaps.at(-1);
      if (last?.endExclusive === start) last.endExclusive = endExclusive;
      else gaps.push({ start, endExclusive });
    }
    return gaps;
  }

  /**
   * Takes bytes at any offset. A block becomes present when its bytes have come from its first to its
   * last without a gap, in any number of writes; bytes of a block that do not continue it, and bytes
   * of a block that is present, are ignored. Throws `range_unsatisfiable` past the end, `no_space`.
   */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#checkRange({ start: offset, endExclusive: offset + bytes.length });
    await this.#exclusive(async () => {
      for (let done = 0; done < bytes.length;) {
        const at = offset + done;
        const block = this.#blockOf(at);
        const blockEnd = block * BLOCK_BYTES + this.#map.lengthOf(block);
        const length = Math.min(bytes.length - done, blockEnd - at);
        await this.#writeInBlock(
          block,
          at - block * BLOCK_BYTES,
          bytes.subarray(done, done + length),
        );
        done += length;
      }
      if (this.#unsynced >= SYNC_EVERY_BLOCKS) await this.#syncNow();
    });
  }

  /** Makes the present blocks survive a crash. */
  async sync(): Promise<void> {
    await this.#exclusive(() => this.#syncNow());
  }

  /**
   * The bytes of the range, block by block. Throws `missing` at a block that is not present, and
   * `corrupt` at one whose checksum is wrong: that block is then missing, to be fetched again.
   */
  async *read(range: ByteRange, options: IoOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    this.#checkRange(range);
    for (
      let block = this.#blockOf(range.start);
      block <= this.#blockOf(range.endExclusive - 1);
      block += 1
    ) {
      checkAborted(options.signal, `reading ${this.digest}`);
      const bytes = await this.readBlock(block);
      const first = block * BLOCK_BYTES;
      yield bytes.subarray(
        Math.max(range.start - first, 0),
        Math.min(range.endExclusive - first, bytes.length),
      );
    }
  }

  /**
   * Reads up to `length` bytes of one present block into `target` at `at`, without a look at their
   * checksum; returns how many, at least one. Throws `missing` when the block is not present, and
   * `corrupt` when its place has no byte there: the block is then missing.
   */
  async readUnchecked(
    target: Buffer,
    at: number,
    length: number,
    position: number,
  ): Promise<number> {
    const block = this.#blockOf(position);
    if (!this.#map.has(block)) throw this.#missing(block);
    const start = position - block * BLOCK_BYTES;
    const most = Math.min(length, this.#map.lengthOf(block) - start);
    const count = await this.#place.read(this.#nameOf(block), start, target, at, most);
    if (count === 0) throw this.#damaged(block);
    return count;
  }

  /**
   * Digests the whole blob. True: right, remembered in the map. False: every block is missing again.
   * Throws `missing` when blocks are missing and `corrupt` when one is damaged (and now missing).
   */
  async verify(options: IoOptions = {}): Promise<boolean> {
    const hasher = new DigestHasher(digestAlgorithm(this.digest));
    // One block's memory for all of them: what is collected late would add up.
    const space = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, this.size));
    for (let block = 0; block < this.#map.blockCount; block += 1) {
      checkAborted(options.signal, `reading ${this.digest}`);
      hasher.update(await this.readBlock(block, space));
    }
    const right = hasher.digest() === this.digest;
    await this.#exclusive(async () => {
      if (right && this.#map.complete) this.#map.verified = true;
      else this.#map.clearAll();
      this.#dirty = true;
      await this.#syncNow();
    });
    return right;
  }

  /** Syncs and closes; the instance is spent. */
  async close(): Promise<void> {
    await this.#exclusive(async () => {
      try {
        if (this.#dirty) await this.#syncNow();
      } finally {
        await this.#place.close();
      }
    });
  }

  /** Closes and removes all of it; the instance is spent. */
  async remove(): Promise<void> {
    await this.#exclusive(() => this.#place.remove());
  }

  async #writeInBlock(block: number, at: number, bytes: Uint8Array): Promise<void> {
    if (this.#map.has(block)) return;
    const whole = this.#pending.add(block, at, bytes, this.#map.lengthOf(block));
    if (whole !== undefined) await this.#storeBlock(block, whole);
  }

  async #storeBlock(block: number, bytes: Uint8Array): Promise<void> {
    const sum = blockSum(bytes);
    await this.#place.write({ block, sum: sum.toString('hex') }, bytes);
    this.#map.mark(block, sum);
    this.#dirty = true;
    this.#unsynced += 1;
  }

  async #syncNow(): Promise<void> {
    await this.#place.saveMap(this.#map.format());
    this.#unsynced = 0;
    this.#dirty = false;
  }

  /**
   * A whole block, checked, in `space` (of {@link BLOCK_BYTES}) or in memory of its own. Throws as
   * {@link read}.
   */
  async readBlock(block: number, space?: Buffer): Promise<Buffer> {
    if (!this.#map.has(block)) throw this.#missing(block);
    const size = this.#map.lengthOf(block);
    const bytes = space?.subarray(0, size) ?? Buffer.allocUnsafe(size);
    const name = this.#nameOf(block);
    let length = 0;
    while (length < bytes.length) {
      const count = await this.#place.read(name, length, bytes, length, bytes.length - length);
      if (count === 0) break;
      length += count;
    }
    if (length < bytes.length || !this.#map.matches(block, bytes)) throw this.#damaged(block);
    return bytes;
  }

  #missing(block: number): StorageError {
    const start = block * BLOCK_BYTES;
    return new StorageError('missing', `${this.digest}: no block at byte ${start}`, {
      detail: { digest: this.digest, start },
    });
  }

  /** The block is missing from now on. */
  #damaged(block: number): StorageError {
    this.#map.clear(block);
    this.#dirty = true;
    const start = block * BLOCK_BYTES;
    const endExclusive = start + this.#map.lengthOf(block);
    return new StorageError('corrupt', `${this.digest}: the block at byte ${start} is damaged`, {
      detail: { digest: this.digest, start, endExclusive },
      retryable: true,
    });
  }

  /** Runs writers one after the other. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work, work);
    this.#turn = run.catch(() => undefined);
    return run;
  }

  #nameOf(block: number): BlockName {
    return { block, sum: this.#map.sumOf(block) };
  }

  #blockOf(offset: number): number {
    return Math.floor(offset / BLOCK_BYTES);
  }

  #checkRange(range: ByteRange): void {
    const { start, endExclusive } = range;
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(endExclusive) ||
      start < 0 ||
      start >= endExclusive ||
      endExclusive > this.size
    ) {
      throw new StorageError(
        'range_unsatisfiable',
        `${this.digest}: bytes ${start} to ${endExclusive} of ${this.size}`,
        { detail: { start, endExclusive, size: this.size } },
      );
    }
  }
}

/** Throws `invalid_name` for what is no size of a blob. */
export function checkSize(digest: Digest, size: number): void {
  if (Number.isSafeInteger(size) && size >= 0) return;
  throw new StorageError('invalid_name', `${digest}: not a size: ${size}`);
}
