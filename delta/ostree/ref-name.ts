import { isStorageError } from '../../storage/errors.ts';
import { parseOstreeRef, type OstreeRef } from '../../storage/ostree/ref-name.ts';
import { DeltaError } from '../errors.ts';

/** As the store names it; out of formats, where a broken one is `bad_format`. */
export type RefName = OstreeRef;

/** Names a repository across mirrors, as `org.example.Os`. Made only by {@link parseCollectionId}. */
export type CollectionId = string & { readonly __brand: 'OstreeCollectionId' };

/** The form of a D-Bus interface name, as `ostree_validate_collection_id` wants it. */
const COLLECTION = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/;
const COLLECTION_CHARACTERS = 255;

/** Throws `bad_format` for what is no ref: no remote (`remote:ref`) and no revision (`ref^`) either. */
export function parseRefName(text: string): RefName {
  try {
    return parseOstreeRef(text);
  } catch (cause) {
    if (!isStorageError(cause, 'invalid_name') || !(cause instanceof Error)) throw cause;
    throw new DeltaError('bad_format', cause.message, { cause });
  }
}

/** Throws `bad_format` for what is no collection id. */
export function parseCollectionId(text: string): CollectionId {
  if (text.length > COLLECTION_CHARACTERS || !COLLECTION.test(text)) {
    throw new DeltaError(
      'bad_format',
      `not a collection id: ${JSON.stringify(text.slice(0, 200))} (as org.example.Os)`,
    );
  }
  return text as CollectionId;
}
