import { StorageError } from '../../../storage/errors.ts';
import { DeltaError } from '../../errors.ts';
import { objectFileName, type ObjectName } from '../objects/object-name.ts';

/** A fault of an object with the object's name in its message; other errors pass through unchanged. */
export function objectFault(error: unknown, name: ObjectName, where: string): unknown {
  if (!(error instanceof StorageError) && !(error instanceof DeltaError)) return error;
  const isTold = error.message.includes(name.checksum) && error.message.includes(where);
  if (isTold || error.code === 'aborted') return error;
  const message = `${objectFileName(name)} in ${where}: ${error.message}`;
  const options = { cause: error, detail: error.detail, retryable: error.retryable };
  return error instanceof StorageError
    ? new StorageError(error.code, message, options)
    : new DeltaError(error.code, message, options);
}
