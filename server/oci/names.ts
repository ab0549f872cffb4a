import { parseDigest, type Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import { parseUploadId, type UploadId } from '../../storage/keys.ts';
import { parseRepoName, parseTag, type RepoName, type Tag } from '../../storage/names.ts';
import { OciError, type OciErrorCode } from './errors.ts';

/** A manifest's reference: a tag or a digest. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest };

export function readRepo(text: string): RepoName {
  return parseAs('NAME_INVALID', parseRepoName, text);
}

export function readDigest(text: string): Digest {
  return parseAs('DIGEST_INVALID', parseDigest, text);
}

/** What is no upload id names no upload. */
export function readUploadId(text: string): UploadId {
  return parseAs('BLOB_UPLOAD_UNKNOWN', parseUploadId, text);
}

/** A reference with a colon is meant as a digest; `badTag` is the error for what is no tag. */
export function readReference(text: string, badTag: OciErrorCode): Reference {
  if (text.includes(':')) return { kind: 'digest', digest: readDigest(text) };
  return { kind: 'tag', tag: readTag(text, badTag) };
}

export function readTag(text: string, badTag: OciErrorCode): Tag {
  return parseAs(badTag, parseTag, text);
}

function parseAs<T>(code: OciErrorCode, parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    if (!isStorageError(error, 'invalid_name') || !(error instanceof Error)) throw error;
    throw new OciError(code, error.message, { cause: error });
  }
}
