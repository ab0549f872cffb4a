import { StorageError } from './errors.ts';

/** A repository name (OCI distribution 1.1, "Pulling manifests"): at most 255 characters. */
export type RepoName = string & { readonly __brand: 'RepoName' };
/** A tag (OCI distribution 1.1): at most 128 characters. */
export type Tag = string & { readonly __brand: 'Tag' };

const REPO = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Parses a repository name; `invalid_name` otherwise. */
export function parseRepoName(text: string): RepoName {
  if (text.length > 255 || !REPO.test(text)) {
    throw new StorageError(
      'invalid_name',
      `not a repository name: ${JSON.stringify(text.slice(0, 300))} (lowercase letters, digits, "." "_" "-" and "/")`,
    );
  }
  return text as RepoName;
}

/** Parses a tag; `invalid_name` otherwise. */
export function parseTag(text: string): Tag {
  if (!TAG.test(text)) {
    throw new StorageError(
      'invalid_name',
      `not a tag: ${JSON.stringify(text.slice(0, 200))} (letters, digits, "_" "." "-", at most 128)`,
    );
  }
  return text as Tag;
}
