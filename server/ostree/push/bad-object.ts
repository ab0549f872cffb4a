import { DeltaError } from '../../../delta/errors.ts';
import { objectFileName, type ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import { StorageError } from '../../../storage/errors.ts';
import { HttpError } from '../../http/errors.ts';

/**
 * The refusal that an error in reading an object of a push is: `bad_object`, `too_large` past a bound,
 * with the object's file name as member `object`. Anything else is no fault of the object's, and stays.
 */
export function refusedObject(name: ObjectName, error: unknown): unknown {
  if (!(error instanceof DeltaError) && !(error instanceof StorageError)) return error;
  const object = objectFileName(name);
  const code = error.code === 'too_large' ? 'too_large' : 'bad_object';
  return new HttpError(code, `${object}: ${error.message}`, { cause: error, detail: { object } });
}

/** A content whose errors are those of the object. */
export async function* namingObject(
  name: ObjectName,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* content;
  } catch (error) {
    throw refusedObject(name, error);
  }
}
