import { DeltaError } from '../../../delta/errors.ts';
import { StorageError } from '../../../storage/errors.ts';

/** What was thrown, which must be an error of ours. */
export function faultOf(run: () => unknown): DeltaError | StorageError {
  try {
    run();
  } catch (error) {
    return ours(error);
  }
  throw new Error('nothing was thrown');
}

/** What a promise was rejected with, which must be an error of ours. */
export async function rejectionOf(run: Promise<unknown>): Promise<DeltaError | StorageError> {
  try {
    await run;
  } catch (error) {
    return ours(error);
  }
  throw new Error('nothing was thrown');
}

/** The code of an error, which must be one of ours. */
export function codeOf(error: unknown): string {
  return ours(error).code;
}

function ours(error: unknown): DeltaError | StorageError {
  if (error instanceof DeltaError || error instanceof StorageError) return error;
  throw error;
}
