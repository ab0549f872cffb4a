import { StorageError } from '../../storage/errors.ts';
import { BLOCK_BYTES, type SparseFile } from '../../storage/sparse/sparse-store.ts';

/** Blocks that are kept in memory after their last reader. */
const MAX_BLOCKS = 32;

/**
 * Reads whole blocks, each once for readers that want it at about the same time: its checksum is
 * computed once, and many readers of one growing blob share one buffer.
 */
export class BlockReads {
  readonly #reads = new Map<string, Promise<Buffer>>();

  /** Throws `missing` or `corrupt`, as {@link SparseFile.read}. The buffer must not be written to. */
  async read(file: SparseFile, block: number): Promise<Buffer> {
    const key = `${file.digest} ${block}`;
    const known = this.#reads.get(key);
    if (known !== undefined) {
      this.#reads.delete(key);
      this.#reads.set(key, known);
      return known;
    }
    const read = readBlock(file, block);
    this.#reads.set(key, read);
    const [oldest] = this.#reads.keys();
    if (this.#reads.size > MAX_BLOCKS && oldest !== undefined) this.#reads.delete(oldest);
    try {
      return await read;
    } catch (error) {
      if (this.#reads.get(key) === read) this.#reads.delete(key);
      throw error;
    }
  }

  /** Forgets a blob's blocks: they turned out to be wrong, or are gone. */
  forget(digest: string): void {
    for (const key of this.#reads.keys()) {
      if (key.startsWith(`${digest} `)) this.#reads.delete(key);
    }
  }
}

async function readBlock(file: SparseFile, block: number): Promise<Buffer> {
  const start = block * BLOCK_BYTES;
  const range = { start, endExclusive: Math.min(start + BLOCK_BYTES, file.size) };
  for await (const bytes of file.read(range)) return bytes;
  throw new StorageError('missing', `${file.digest}: block ${block} is empty`);
}
