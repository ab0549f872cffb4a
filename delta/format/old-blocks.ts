import type { RandomAccess } from '../../storage/random-access.ts';

/** A decoder reads a few places of the base in turn, 4 KiB or less at a time. */
const BLOCK_BYTES = 16 * 1024;
const BLOCKS = 8;
/** Longer reads go past the blocks. */
const LONGEST_READ = 2 * BLOCK_BYTES;

interface Block {
  readonly bytes: Buffer;
  source: RandomAccess | undefined;
  /** First byte in the source, a multiple of {@link BLOCK_BYTES}. */
  start: number;
  /** When it was last read from. */
  used: number;
}

/** The blocks of some files that were read last: short reads of one place cost one call of the system. */
export class OldBlocks {
  readonly #blocks: readonly Block[] = Array.from({ length: BLOCKS }, () => ({
    bytes: Buffer.allocUnsafe(BLOCK_BYTES),
    source: undefined,
    start: 0,
    used: 0,
  }));
  #clock = 0;

  /** Fills `into` from `offset` of `source`; throws as the source does when they are not all there. */
  readSync(source: RandomAccess, offset: number, into: Uint8Array): void {
    if (into.length > LONGEST_READ || offset + into.length > source.size) {
      source.readSync(offset, into);
      return;
    }
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const { bytes, start } = this.#block(source, at - (at % BLOCK_BYTES));
      const part = Math.min(start + BLOCK_BYTES - at, into.length - done);
      into.set(bytes.subarray(at - start, at - start + part), done);
      done += part;
    }
  }

  #block(source: RandomAccess, start: number): Block {
    let oldest = this.#blocks[0];
    for (const block of this.#blocks) {
      if (block.start === start && block.source === source) {
        block.used = ++this.#clock;
        return block;
      }
      if (oldest === undefined || block.used < oldest.used) oldest = block;
    }
    if (oldest === undefined) throw new TypeError('there are no blocks');
    oldest.source = undefined;
    const length = Math.min(BLOCK_BYTES, source.size - start);
    source.readSync(start, oldest.bytes.subarray(0, length));
    oldest.source = source;
    oldest.start = start;
    oldest.used = ++this.#clock;
    return oldest;
  }
}
