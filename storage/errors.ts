/**
 * Base of every error that Rivulet raises on purpose.
 *
 * Each folder owns a closed union of codes and one subclass; callers switch on `code`, never on text.
 * `detail` holds what the message names (keys, digests, sizes), typed by code where it matters.
 * `retryable` says whether the same call may succeed later without any other change.
 */
export abstract class CodedError<C extends string> extends Error {
  readonly code: C;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  protected constructor(code: C, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? {};
    this.retryable = options.retryable ?? false;
  }
}

export interface CodedErrorOptions {
  readonly cause?: unknown;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly retryable?: boolean;
}

/** What can go wrong in `storage/`. Missing, invalid, unavailable and aborted are four different things. */
export type StorageErrorCode =
  /** No object, row or chunk of that name exists. */
  | 'missing'
  /** A name, digest, key or number that does not parse. */
  | 'invalid_name'
  /** Bytes whose digest or length is not the promised one. */
  | 'digest_mismatch'
  | 'size_mismatch'
  /** Bytes that do not follow their format: pack, chunk index, zstd frame, tar, gzip. */
  | 'corrupt'
  /** A size past a stated bound. */
  | 'too_large'
  /** A range outside the object. */
  | 'range_unsatisfiable'
  /** An upload whose next byte is not the one sent. */
  | 'out_of_order'
  /** The row changed under the caller, or a lease is no longer held. */
  | 'conflict'
  /** The disk is full or a quota is reached. */
  | 'no_space'
  /** The store or the database does not answer, or answers with a fault. */
  | 'unavailable'
  /** The caller's signal fired. */
  | 'aborted';

/** An error of `storage/`. */
export class StorageError extends CodedError<StorageErrorCode> {
  constructor(code: StorageErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { retryable: code === 'unavailable', ...options });
    this.name = 'StorageError';
  }
}

/** True for a {@link StorageError} with that code. */
export function isStorageError(error: unknown, code: StorageErrorCode): boolean {
  return error instanceof StorageError && error.code === code;
}
