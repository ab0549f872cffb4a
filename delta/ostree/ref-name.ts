import { DeltaError } from '../errors.ts';

/** The name of a branch, as `os/x86_64/stable`. Made only by {@link parseRefName}. */
export type RefName = string & { readonly __brand: 'OstreeRefName' };

/** Names a repository across mirrors, as `org.example.Os`. Made only by {@link parseCollectionId}. */
export type CollectionId = string & { readonly __brand: 'OstreeCollectionId' };

/** `OSTREE_REF_REGEXP`, whose letters and digits are those of ASCII. */
const REF = /^(?:\w[-.\w]*\/)*\w[-.\w]*$/;
/** A ref is a file's path in a repository. */
const REF_CHARACTERS = 1024;
const REF_PART_CHARACTERS = 255;

/** The form of a D-Bus interface name, as `ostree_validate_collection_id` wants it. */
const COLLECTION = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/;
const COLLECTION_CHARACTERS = 255;

/** Throws `bad_format` for what is no ref: no remote (`remote:ref`) and no revision (`ref^`) either. */
export function parseRefName(text: string): RefName {
  const fits =
    text.length <= REF_CHARACTERS &&
    REF.test(text) &&
    text.split('/').every((part) => part.length <= REF_PART_CHARACTERS);
  if (!fits) {
    throw new DeltaError(
      'bad_format',
      `not a ref: ${JSON.stringify(text.slice(0, 200))} (parts of letters, digits, "_", "-" and "." ` +
        'that begin with none of the last two, separated by "/")',
    );
  }
  return text as RefName;
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
