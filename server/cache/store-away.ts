import { CodedError, isStorageError } from '../../storage/errors.ts';

/**
 * The bucket of a cache does not answer, or refuses what the cache needs. Not a `StorageError`: those
 * that are `unavailable` tell of the origin, which may well be there.
 */
export class StoreAwayError extends CodedError<'store_away'> {
  constructor(message: string, cause: unknown) {
    super('store_away', message, { cause, retryable: true });
    this.name = 'StoreAwayError';
  }
}

/** Why a blob passes through without being kept: a label of metrics. */
export type PassReason = 'no_space' | 'store_away';

/** The reason, if the error is one for which a blob can still come straight from the origin. */
export function passReason(error: unknown): PassReason | undefined {
  if (error instanceof StoreAwayError) return error.code;
  return isStorageError(error, 'no_space') ? 'no_space' : undefined;
}
