import { lstat } from 'node:fs/promises';

import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import { swap32 } from '../gvariant/swap.ts';
import { isSymlink } from '../objects/file-header.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';
import { xattrsFromTuples, type XattrTuples } from '../objects/xattrs.ts';
import { plainFileObject, type FileObject } from './file-object.ts';
import type { ObjectFile } from './object-file.ts';
import { readBounded } from './read-parts.ts';
import { targetText } from './target.ts';
import { readXattr } from './xattr-access.ts';

/** Where owner, mode and xattrs are: `OSTREE_FILEMETA_GVARIANT_FORMAT`, as a dirmeta's. */
const META_XATTR = 'user.ostreemeta';
const META_TYPE = '(uuua(ayay))';

type Decoded = readonly [uid: number, gid: number, mode: number, xattrs: XattrTuples];

/**
 * Opens a content object of a bare-user repository: always a regular file, with the header in an
 * xattr; a symlink's file holds its target.
 */
export async function openBareUserFile(file: ObjectFile): Promise<FileObject> {
  const { path, checksum, signal } = file;
  const stats = await lstat(path);
  const meta = await readXattr(path, META_XATTR);
  if (meta === undefined) {
    throw new DeltaError(
      'bad_format',
      `${path} has no ${META_XATTR}: not of a bare-user repository`,
    );
  }
  const [uid, gid, mode, tuples] = decodeVariant(META_TYPE, meta) as Decoded;
  // Old versions wrote the xattrs out of order (`_ostree_repo_load_file_bare`).
  const sorted = tuples.toSorted(([a], [b]) => Buffer.compare(a, b));
  const header = {
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
    target: '',
    xattrs: xattrsFromTuples(sorted, path),
  };
  if (isSymlink(header)) {
    const bytes = await readBounded(path, OBJECT_LIMITS.targetBytes + 1, signal);
    // libostree writes the NUL too, and reads up to it.
    const target = targetText(path, bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes);
    return plainFileObject(checksum, { ...header, target }, undefined, signal);
  }
  return plainFileObject(checksum, header, { path, size: stats.size }, signal);
}
