import type { Readable } from 'node:stream';

import type { Expected } from './digest.ts';
import type { ObjectKey } from './keys.ts';

/** A byte range inside an object: `0 <= start < endExclusive <= size`. */
export interface ByteRange {
  readonly start: number;
  readonly endExclusive: number;
}

/** Options of every I/O method. */
export interface IoOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface OpenOptions extends IoOptions {
  readonly range?: ByteRange | undefined;
  /** Bytes of a piece, where the driver reads from a disk; smaller ones hold less in memory. */
  readonly pieceBytes?: number | undefined;
}

export interface PutOptions extends IoOptions {
  /** Checked before the object becomes visible; a broken promise leaves nothing behind. */
  readonly expected?: Expected | undefined;
  /**
   * Opens a source of the same bytes once more. A driver calls it when it can't go on with the pieces
   * that it still holds; without it such a put fails. A source that is an array needs none.
   */
  readonly reopen?: (() => ByteSource) | undefined;
}

export interface ObjectStat {
  /** Bytes. */
  readonly size: number;
  /** When the object appeared, milliseconds since the epoch. */
  readonly modifiedMs: number;
}

export interface ObjectEntry extends ObjectStat {
  readonly key: ObjectKey;
}

/** Bytes to be stored, in order. Consumed at most once. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Immutable objects under keys: the one port to bytes at rest.
 *
 * An object is either wholly there and durable or not there at all; it never changes. Errors are
 * `StorageError`: `missing` only when the object is truly absent (ENOENT, 404), `unavailable` when
 * the store fails or does not answer, `no_space` when it is full, `aborted` when the signal fired.
 * Drivers live in `drivers/`; one suite (test/suites) holds for each.
 */
export interface ObjectStore {
  /** For messages and logs: `fs:/path`, `s3:bucket`, `memory`. */
  readonly name: string;

  /**
   * Stores an object unless the key exists; then the source is not read, and `created` is false.
   * Returns only once the bytes are durable. Two puts of one key at once both succeed.
   */
  put(
    key: ObjectKey,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<{ readonly size: number; readonly created: boolean }>;

  /**
   * Opens an object, or the range of it. `missing` and `range_unsatisfiable` reject this promise;
   * later faults destroy the stream. The caller consumes or destroys the stream.
   */
  open(key: ObjectKey, options?: OpenOptions): Promise<Readable>;

  /** The object's facts, or undefined when it is missing. */
  stat(key: ObjectKey, options?: IoOptions): Promise<ObjectStat | undefined>;

  /** Every object whose key starts with `prefix`, in any order. Temporary files are not objects. */
  list(prefix: string, options?: IoOptions): AsyncIterable<ObjectEntry>;

  /** Removes an object; removing a missing one is not an error. */
  delete(key: ObjectKey, options?: IoOptions): Promise<void>;

  /**
   * Renames an object; the target, if it exists, is kept and the source removed (both hold the same
   * bytes by the rules of `keys.ts`). `missing` when neither exists.
   */
  move(from: ObjectKey, to: ObjectKey, options?: IoOptions): Promise<void>;

  /** Rejects with `unavailable` unless the store can be used now; a driver whose `stat` tells has none. */
  check?(options?: IoOptions): Promise<void>;

  /** The file that holds the object, where the driver has one: lets a server send it directly. */
  filePath?(key: ObjectKey): string;
}
