import type { Clock } from '../../storage/clock.ts';
import type { SparseBlob } from '../../storage/sparse/sparse-blob.ts';
import { BLOCK_BYTES } from '../../storage/sparse/sparse-store.ts';

/** Blocks that are kept in memory for readers that want them at about the same time. */
const MAX_BLOCKS = 8;
/** A block is not checked again for so long: damage on the disk is handed out for no longer. */
export const CHECK_HOLDS_MS = 60_000;

/**
 * Reads whole blocks with their checksums, each once for all readers that want it at about the same
 * time, and remembers for a minute which blocks were right.
 */
export class BlockReads {
  readonly #clock: Clock;
  /** Oldest use first. */
  readonly #recent = new Map<string, Buffer>();
  /** Memory of blocks that went, for the next: what is collected late would add up. */
  readonly #spare: Buffer[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #checked = new WeakMap<SparseBlob, Float64Array>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The block's bytes, if they are in memory; not to be written to, nor held over an `await`. */
  recent(file: SparseBlob, block: number): Buffer | undefined {
    const key = keyOf(file.digest, block);
    const bytes = this.#recent.get(key);
    if (bytes === undefined || !this.isRight(file, block)) return undefined;
    this.#recent.delete(key);
    this.#recent.set(key, bytes);
    return bytes;
  }

  /** True if its checksum was right a short time ago: its bytes may be read without another look. */
  isRight(file: SparseBlob, block: number): boolean {
    const checkedMs = this.#checked.get(file)?.[block] ?? -Infinity;
    return this.#clock() - checkedMs < CHECK_HOLDS_MS;
  }

  /**
   * Reads and checks a block; it is then {@link recent}. Throws `missing` or `corrupt`, as
   * {@link SparseBlob.read}.
   */
  async check(file: SparseBlob, block: number): Promise<void> {
    const key = keyOf(file.digest, block);
    const running = this.#running.get(key);
    if (running !== undefined) {
      await running;
      return;
    }
    const check = this.#check(file, block, key).finally(() => {
      if (this.#running.get(key) === check) this.#running.delete(key);
    });
    this.#running.set(key, check);
    await check;
  }

  async #check(file: SparseBlob, block: number, key: string): Promise<void> {
    this.#drop(key);
    this.#times(file)[block] = -Infinity;
    const space = this.#spare.pop() ?? Buffer.allocUnsafe(BLOCK_BYTES);
    let bytes: Buffer;
    try {
      bytes = await file.readBlock(block, space);
    } catch (error) {
      this.#spare.push(space);
      throw error;
    }
    this.#times(file)[block] = this.#clock();
    this.#recent.set(key, bytes);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > MAX_BLOCKS && oldest !== undefined) this.#drop(oldest);
  }

  #drop(key: string): void {
    const bytes = this.#recent.get(key);
    if (!this.#recent.delete(key) || bytes === undefined) return;
    if (this.#spare.length < MAX_BLOCKS)
      this.#spare.push(Buffer.from(bytes.buffer, bytes.byteOffset));
  }

  /** One block was not right: then others may not be either, and each is looked at again. */
  doubt(file: SparseBlob): void {
    this.forget(file.digest);
    this.#checked.delete(file);
  }

  /** Forgets a blob's blocks: they turned out to be wrong, or are gone. */
  forget(digest: string): void {
    for (const key of this.#recent.keys()) {
      if (key.startsWith(`${digest} `)) this.#drop(key);
    }
  }

  #times(file: SparseBlob): Float64Array {
    let times = this.#checked.get(file);
    if (times === undefined) {
      times = new Float64Array(Math.ceil(file.size / BLOCK_BYTES)).fill(-Infinity);
      this.#checked.set(file, times);
    }
    return times;
  }
}

function keyOf(digest: string, block: number): string {
  return `${digest} ${block}`;
}
