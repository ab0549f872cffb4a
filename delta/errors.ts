import { CodedError, type CodedErrorOptions } from '../storage/errors.ts';

/** What can go wrong with a delta. */
export type DeltaErrorCode =
  /** Bytes that are no delta, or that break FORMAT.md. */
  | 'bad_format'
  /** A delta of a format version that this program does not know. */
  | 'unsupported_version'
  /** The base at hand is not the one that the delta was made from. */
  | 'wrong_base'
  /** An image whose manifest, config or layers contradict each other. */
  | 'corrupt'
  /** A size past a stated bound. */
  | 'too_large'
  /** The output's digest is not the promised one: a flipped byte in the delta or in the base. */
  | 'output_mismatch'
  /** An image that must not travel as a delta; no other try will end otherwise. */
  | 'refused'
  /** A time or memory budget ran out. */
  | 'budget'
  /** The caller's signal fired. */
  | 'aborted';

/** An error of `delta/`. */
export class DeltaError extends CodedError<DeltaErrorCode> {
  constructor(code: DeltaErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
    this.name = 'DeltaError';
  }
}

/** True for a {@link DeltaError} with that code. */
export function isDeltaError(error: unknown, code: DeltaErrorCode): boolean {
  return error instanceof DeltaError && error.code === code;
}

/** Throws `aborted` once the signal has fired. */
export function checkAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) {
    throw new DeltaError('aborted', `${what}: aborted`, { cause: signal.reason });
  }
}
