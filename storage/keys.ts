import { digestAlgorithm, digestHex, isDigest, type Digest } from './digest.ts';
import { StorageError } from './errors.ts';

/**
 * The one place that builds object keys. LAYOUT.md describes what each holds.
 *
 * ```
 * blobs/<algorithm>/<first two hex digits>/<hex>   every immutable object: layers, configs, manifests,
 *                                                  deltas, packs, chunk indexes
 * uploads/<upload id>/<first byte, 16 digits><nonce, 16 hex digits>
 *                                                  the parts of an upload session
 * quarantine/<algorithm>/<name>/<milliseconds, 16 digits><nonce, 16 hex digits>
 *                                                  damaged bytes that lay under a blob's key
 * sparse/<owner, 16 hex digits>/<algorithm>/<hex>/<block, 16 digits><checksum, 32 hex digits>
 *                                                  a block of a blob that a regional cache has in part
 * ```
 */
export type ObjectKey = string & { readonly __brand: 'ObjectKey' };

/** An upload session's id: 32 lowercase hex digits. */
export type UploadId = string & { readonly __brand: 'UploadId' };

/** The cache that sparse blocks belong to: 16 lowercase hex digits, made with its catalog. */
export type SparseOwner = string & { readonly __brand: 'SparseOwner' };

export const BLOBS_PREFIX = 'blobs/';
export const UPLOADS_PREFIX = 'uploads/';
export const QUARANTINE_PREFIX = 'quarantine/';

const SPARSE_OWNER = /^[0-9a-f]{16}$/;
const UPLOAD_ID = /^[0-9a-f]{32}$/;
const PART_KEY = /^uploads\/[0-9a-f]{32}\/([0-9]{16})[0-9a-f]{16}$/;
const KEY =
  /^(?:(?:blobs|uploads|quarantine)(?:\/[a-z0-9]{1,128}){2,3}|sparse(?:\/[a-z0-9]{1,128}){4})$/;

/** Parses an object key as listed by a driver; `invalid_name` for anything this file never builds. */
export function parseObjectKey(text: string): ObjectKey {
  if (!isObjectKey(text)) {
    throw new StorageError(
      'invalid_name',
      `not an object key: ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  return text;
}

/** True if `text` parses as an object key. */
export function isObjectKey(text: string): text is ObjectKey {
  return KEY.test(text);
}

/** Parses an upload id; `invalid_name` otherwise. */
export function parseUploadId(text: string): UploadId {
  if (!UPLOAD_ID.test(text)) {
    throw new StorageError(
      'invalid_name',
      `not an upload id: ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  return text as UploadId;
}

export function blobKey(digest: Digest): ObjectKey {
  const hex = digestHex(digest);
  return `${BLOBS_PREFIX}${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}` as ObjectKey;
}

/** The blob that a key holds; undefined for any other key, and for a blob in the wrong folder. */
export function digestOfKey(key: ObjectKey): Digest | undefined {
  const [, algorithm, , hex] = key.split('/');
  const digest = `${algorithm ?? ''}:${hex ?? ''}`;
  return isDigest(digest) && blobKey(digest) === key ? digest : undefined;
}

/** Prefixes that between them hold every blob, each a small part: 256 for each algorithm. */
export function blobFolders(): readonly string[] {
  const folders = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));
  return ['sha256', 'sha512'].flatMap((algorithm) =>
    folders.map((folder) => `${BLOBS_PREFIX}${algorithm}/${folder}/`),
  );
}

/**
 * The key of an upload part whose first byte is the session's byte `offset`. The nonce (16 lowercase
 * hex digits) keeps two writers at one offset apart: the loser can never replace the winner's bytes.
 */
export function uploadPartKey(id: UploadId, offset: number, nonce: string): ObjectKey {
  return parseObjectKey(`${uploadPrefix(id)}${offset.toString().padStart(16, '0')}${nonce}`);
}

/** The session's byte at which the part of that key begins; undefined when it is no part's key. */
export function uploadPartOffset(key: ObjectKey): number | undefined {
  const match = PART_KEY.exec(key);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** The session that a part belongs to; undefined when it is no part's key. */
export function uploadOfPart(key: ObjectKey): UploadId | undefined {
  const id = key.startsWith(UPLOADS_PREFIX) ? key.split('/')[1] : undefined;
  return id === undefined || !UPLOAD_ID.test(id) ? undefined : (id as UploadId);
}

/**
 * Where the damaged object of a blob's key is put aside at that time; the nonce (16 lowercase hex
 * digits) keeps two of one moment apart.
 */
export function quarantineKey(key: ObjectKey, nowMs: number, nonce: string): ObjectKey {
  const [, algorithm = '', , name = ''] = key.split('/');
  const time = Math.max(0, Math.floor(nowMs)).toString().padStart(16, '0');
  return parseObjectKey(`${QUARANTINE_PREFIX}${algorithm}/${name}/${time}${nonce}`);
}

export function uploadPrefix(id: UploadId): string {
  return `${UPLOADS_PREFIX}${id}/`;
}

/** Parses the name of a cache in keys; `invalid_name` otherwise. */
export function parseSparseOwner(text: string): SparseOwner {
  if (!SPARSE_OWNER.test(text)) {
    throw new StorageError('invalid_name', `not a cache's name in keys: ${JSON.stringify(text)}`);
  }
  return text as SparseOwner;
}

/** Of all blocks of a blob that a cache has; without a digest of all its blobs. */
export function sparsePrefix(owner: SparseOwner, digest?: Digest): string {
  const prefix = `sparse/${owner}/`;
  return digest === undefined
    ? prefix
    : `${prefix}${digestAlgorithm(digest)}/${digestHex(digest)}/`;
}

/** The checksum (32 lowercase hex digits) keeps wrong bytes, once replaced by right ones, from being taken for these. */
export function sparseBlockKey(
  owner: SparseOwner,
  digest: Digest,
  block: number,
  sum: string,
): ObjectKey {
  const name = `${block.toString().padStart(16, '0')}${sum}`;
  return parseObjectKey(`${sparsePrefix(owner, digest)}${name}`);
}

/** The blob of which the key holds a block; undefined for any other key. */
export function blobOfSparseKey(key: ObjectKey): Digest | undefined {
  const [kind, , algorithm, hex] = key.split('/');
  const digest = `${algorithm ?? ''}:${hex ?? ''}`;
  return kind === 'sparse' && isDigest(digest) ? digest : undefined;
}
