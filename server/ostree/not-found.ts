import { DeltaError } from '../../delta/errors.ts';
import { StorageError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';

/** What `parse` makes of a name; a name that is none names nothing: `not_found`. */
export function asNotFound<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof StorageError) && !(cause instanceof DeltaError)) throw cause;
    throw new HttpError('not_found', cause.message, { cause });
  }
}
