import { StorageError } from '../errors.ts';

/** The name of a ref in a repository, as `fleet/x86_64/stable`; made only by {@link parseOstreeRef}. */
export type OstreeRef = string & { readonly __brand: 'OstreeRef' };

/** `OSTREE_REF_REGEXP` of libostree (ostree-core.c) without a remote, its letters and digits in ASCII. */
const REF = /^\w[\w.-]*(?:\/\w[\w.-]*)*$/;
/** A ref is a file's path in clients' repositories. */
const MAX_LENGTH = 255;

/** Parses a ref's name; `invalid_name` otherwise. */
export function parseOstreeRef(text: string): OstreeRef {
  if (text.length > MAX_LENGTH || !REF.test(text)) {
    throw new StorageError(
      'invalid_name',
      `not an OSTree ref: ${JSON.stringify(text.slice(0, 300))} (letters, digits, "_" "-" "." and "/", no part begins with "." or "-", at most ${MAX_LENGTH})`,
    );
  }
  return text as OstreeRef;
}
