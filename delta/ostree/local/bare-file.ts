import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';

import type { FileHeader } from '../objects/file-header.ts';
import { plainFileObject, type FileObject } from './file-object.ts';
import type { ObjectFile } from './object-file.ts';
import { targetText } from './target.ts';
import { readAllXattrs } from './xattr-access.ts';

/** Opens a content object of a bare repository: a file as it will be checked out. */
export async function openBareFile(file: ObjectFile, withXattrs: boolean): Promise<FileObject> {
  const stats = await lstat(file.path);
  const xattrs = withXattrs ? await readAllXattrs(file.path) : [];
  return openAsItIs(file, stats, { uid: stats.uid, gid: stats.gid, xattrs });
}

/** Opens one of a bare-user-only repository: root's and without xattrs, whoever owns the file. */
export async function openBareUserOnlyFile(file: ObjectFile): Promise<FileObject> {
  return openAsItIs(file, await lstat(file.path), { uid: 0, gid: 0, xattrs: [] });
}

async function openAsItIs(
  { path, checksum, signal }: ObjectFile,
  stats: Stats,
  owner: Pick<FileHeader, 'uid' | 'gid' | 'xattrs'>,
): Promise<FileObject> {
  const header = { ...owner, mode: stats.mode, target: '' };
  if (stats.isSymbolicLink()) {
    const target = targetText(path, await readlink(path, { encoding: 'buffer' }));
    return plainFileObject(checksum, { ...header, target }, undefined, signal);
  }
  return plainFileObject(checksum, header, { path, size: stats.size }, signal);
}
