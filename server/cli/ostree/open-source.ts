import { stat } from 'node:fs/promises';

import { ArchiveSource } from '../../../delta/ostree/source/archive-source.ts';
import { LocalSource } from '../../../delta/ostree/source/local-source.ts';
import type { ObjectSource } from '../../../delta/ostree/source/object-source.ts';
import { ServerError } from '../../errors.ts';
import { parseServerUrl } from '../http-client.ts';
import { HttpFiles } from './http-files.ts';
import { TarFiles } from './tar-files.ts';

/** A repository and a commit in it, as the command line named them. */
export interface OpenedSource {
  readonly source: ObjectSource;
  /** A ref or a checksum. */
  readonly from: string;
  readonly close: () => Promise<void>;
}

/** Opens what `ostree:REPO:REF` names, a folder. */
export async function openLocal(rest: string): Promise<OpenedSource> {
  const { path, from } = await splitRef(rest, 'ostree:REPO:REF');
  const source = await LocalSource.open(path);
  return { source, from, close: () => Promise.resolve() };
}

/** Opens what `ostree-archive:TAR:REF` names, a tar of a repository. */
export async function openTar(rest: string): Promise<OpenedSource> {
  const { path, from } = await splitRef(rest, 'ostree-archive:TAR:REF');
  const files = await TarFiles.open(path);
  try {
    return { source: await ArchiveSource.open(files), from, close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Opens an archive repository behind HTTP. */
export async function openRemote(url: string, from: string): Promise<OpenedSource> {
  const source = await ArchiveSource.open(new HttpFiles(parseServerUrl(url)));
  return { source, from, close: () => Promise.resolve() };
}

/**
 * Splits a path from a ref. Both may hold colons (`remote:ref`): the shortest path that is there
 * counts, and where none is, the shortest of all, for the error that follows.
 */
async function splitRef(
  text: string,
  form: string,
): Promise<{ readonly path: string; readonly from: string }> {
  const splits = [...text.matchAll(/:/g)]
    .map(({ index }) => ({ path: text.slice(0, index), from: text.slice(index + 1) }))
    .filter(({ path, from }) => path !== '' && from !== '');
  const [first] = splits;
  if (first === undefined) {
    throw new ServerError('usage', `${JSON.stringify(text)} names no ref: expected ${form}`);
  }
  for (const split of splits) {
    if (await exists(split.path)) return split;
  }
  return first;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
