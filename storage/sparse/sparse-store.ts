import type { Digest } from '../digest.ts';
import type { BlockMap } from './block-map.ts';
import type { SparseBlob } from './sparse-blob.ts';

/** Bytes of a block; only the last block of a blob may be shorter. */
export const BLOCK_BYTES = 1024 * 1024;

/** Where a cache keeps blobs of which it may have any blocks: a folder (`folder-store.ts`), a bucket (`bucket-store.ts`). */
export interface SparseStore {
  /**
   * Opens a blob, of which nothing may be here yet. A map that is damaged or of another size counts as
   * empty. One instance at a time may be open on a digest. Throws `invalid_name` for what is no size,
   * `too_large` for one that can't be held, `no_space`, `unavailable`.
   */
  open(digest: Digest, size: number): Promise<SparseBlob>;
  /** What is durable of a blob that is not open; undefined when nothing is. */
  readMap(digest: Digest, size: number): Promise<BlockMap | undefined>;
}

/** A block and the checksum that the map has of it, 32 hex digits. */
export interface BlockName {
  readonly block: number;
  readonly sum: string;
}

/** The blocks of one open blob at rest, and their map. Methods throw `StorageError`. */
export interface BlockPlace {
  /** Writes a whole block, which can be read at once and need not survive a crash before {@link saveMap}. */
  write(name: BlockName, bytes: Uint8Array): Promise<void>;
  /**
   * Reads up to `length` bytes from byte `start` of a block that was written into `target` at `at`;
   * returns how many, 0 where the place has none.
   */
  read(name: BlockName, start: number, target: Buffer, at: number, length: number): Promise<number>;
  /** Makes the written blocks survive a crash, and then, in one step, the map of them. */
  saveMap(map: Buffer): Promise<void>;
  close(): Promise<void>;
  /** Closes, and removes blocks and map; the map first: blocks without one are nothing. */
  remove(): Promise<void>;
}
