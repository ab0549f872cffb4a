import {
  chmod,
  chown,
  lchown,
  link,
  lutimes,
  mkdir,
  open,
  symlink,
  utimes,
} from 'node:fs/promises';

import type { TarFile } from '../../ostree/from-tar/tar-entries.ts';
import { DeviceError } from '../errors.ts';
import type { SlotImage } from '../slot.ts';
import { layerEntries } from './layers.ts';
import { isRealFolder, LayerChanges, OPAQUE, removeTree, WHITEOUT } from './layer-changes.ts';
import { placeInRoot, type RootPlace } from './root-path.ts';
import { writeXattrs } from './write-xattrs.ts';

/**
 * Unpacks a release's layers into `root`, which is made, as the OCI image specification's "Applying
 * Changesets" says: in order, with whiteouts and opaque folders; modes, times, hard links and symlinks
 * as they stand; owners and extended attributes of the system as far as root runs this. Nothing is
 * ever written outside of `root`. Throws `corrupt` for unsafe or damaged layers, `unsupported` for
 * devices and fifos.
 */
export async function unpackLayers(
  release: SlotImage,
  root: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(root, { mode: 0o755 });
  const bytes = Buffer.from(root);
  const folders = new Map<string, TarFile>();
  for (const diffId of release.image.diffIds) {
    const changes = new LayerChanges();
    for await (const entry of layerEntries(release, diffId, signal)) {
      await unpackEntry(bytes, entry, changes, folders);
      signal.throwIfAborted();
    }
  }
  // Last, for what is made in a folder changes its time, and may need its mode to allow it.
  for (const [path, entry] of [...folders].sort(([a], [b]) => b.length - a.length)) {
    await finishFolder(bytes, Buffer.from(path, 'latin1'), entry);
  }
}

async function unpackEntry(
  root: Buffer,
  entry: TarFile,
  changes: LayerChanges,
  folders: Map<string, TarFile>,
): Promise<void> {
  const place = await placeInRoot(root, entry.path);
  if (place === undefined) {
    if (entry.is.kind === 'directory') folders.set(root.toString('latin1'), entry);
    return;
  }
  if (place.name.equals(OPAQUE)) {
    await changes.emptyLower(place.folder);
    return;
  }
  if (place.name.subarray(0, WHITEOUT.length).equals(WHITEOUT)) {
    const name = place.name.subarray(WHITEOUT.length);
    if (['', '.', '..'].includes(name.toString('latin1'))) {
      throw refuse('corrupt', entry, 'is a whiteout of no name');
    }
    await changes.removeLower(place.folder, name);
    return;
  }
  changes.note(root, place);
  if (entry.is.kind === 'directory') {
    await makeFolder(place);
    folders.set(place.path.toString('latin1'), entry);
    return;
  }
  await removeTree(place.path);
  await makeLeaf(root, place, entry);
}

async function makeFolder(place: RootPlace): Promise<void> {
  if (await isRealFolder(place.path)) return;
  await removeTree(place.path);
  await mkdir(place.path, { mode: 0o755 });
}

async function makeLeaf(root: Buffer, place: RootPlace, entry: TarFile): Promise<void> {
  switch (entry.is.kind) {
    case 'file':
      return makeFile(place, entry);
    case 'symlink':
      await symlink(entry.is.target, place.path);
      if (isRoot()) await lchown(place.path, entry.uid, entry.gid);
      await lutimes(place.path, entry.mtime, entry.mtime);
      return;
    case 'hardlink': {
      const target = await placeInRoot(root, entry.is.target);
      if (target === undefined) throw refuse('corrupt', entry, 'is a hard link to the root');
      return link(target.path, place.path).catch((cause: unknown) => {
        throw refuse('corrupt', entry, `is a hard link that can't be: ${String(cause)}`);
      });
    }
    default:
      throw refuse('unsupported', entry, 'is a device or a fifo, which the agent does not make');
  }
}

async function makeFile(place: RootPlace, entry: TarFile): Promise<void> {
  const file = await open(place.path, 'wx', 0o600);
  try {
    for await (const bytes of entry.content) await file.writeFile(bytes);
    // In this order: a change of owner takes setuid and capabilities away.
    if (isRoot()) await file.chown(entry.uid, entry.gid);
    await file.chmod(entry.permissions);
    await writeXattrs(place.path, entry.xattrs);
    await file.utimes(entry.mtime, entry.mtime);
  } finally {
    await file.close();
  }
}

/** A folder that a later entry removed, or made something else or lies behind, is left alone. */
async function finishFolder(root: Buffer, path: Buffer, entry: TarFile): Promise<void> {
  for (let above = path; above.length > root.length; above = parentOf(above)) {
    if (!(await isRealFolder(above))) return;
  }
  if (isRoot()) await chown(path, entry.uid, entry.gid);
  await writeXattrs(path, entry.xattrs);
  await chmod(path, entry.permissions);
  await utimes(path, entry.mtime, entry.mtime);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function parentOf(path: Buffer): Buffer {
  return path.subarray(0, path.lastIndexOf(0x2f));
}

function refuse(code: 'corrupt' | 'unsupported', entry: TarFile, why: string): DeviceError {
  const name = JSON.stringify(entry.path.toString('utf8').slice(0, 200));
  return new DeviceError(code, `the entry ${name} ${why}`);
}
