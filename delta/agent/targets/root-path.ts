import { lstat, mkdir, readlink, rm } from 'node:fs/promises';

import { errnoOf } from '../../../storage/durable.ts';
import { DeviceError } from '../errors.ts';

const SLASH = Buffer.from('/');
/** As Linux has it: further links are a loop. */
const MAX_LINKS = 40;

/** A name in a folder below a root: bytes, for names are of no particular encoding. */
export interface RootPlace {
  /** The folder: real, below the root, with no symlink in it. */
  readonly folder: Buffer;
  readonly name: Buffer;
  /** Folder and name. */
  readonly path: Buffer;
}

/**
 * Where an entry of a tar lies below `root`, whose parents are made where they are missing; undefined
 * for the root itself. Symlinks on the way are followed as a process with that root would, so that
 * none leads out; the last part is not followed. Throws `corrupt` for `..` and for a loop.
 */
export async function placeInRoot(root: Buffer, entry: Buffer): Promise<RootPlace | undefined> {
  const parts = split(entry);
  if (parts.some((part) => part.equals(Buffer.from('..')))) {
    throw unsafe(entry, 'climbs by ".."');
  }
  const name = parts.pop();
  if (name === undefined) return undefined;
  const folder = await realFolder(root, parts, entry);
  return { folder, name, path: join(folder, name) };
}

export function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

async function realFolder(root: Buffer, parts: Buffer[], entry: Buffer): Promise<Buffer> {
  const todo = [...parts];
  const way: Buffer[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part.equals(Buffer.from('..'))) {
      way.pop();
      continue;
    }
    const path = join(way.reduce(join, root), part);
    const kind = await kindOf(path);
    if (kind === 'link') {
      links += 1;
      if (links > MAX_LINKS) throw unsafe(entry, 'lies behind a loop of symlinks');
      const target = await readlink(path, { encoding: 'buffer' });
      if (target[0] === SLASH[0]) way.length = 0;
      todo.unshift(...split(target));
      continue;
    }
    // A file that a later layer, or entry, uses as a folder becomes one.
    if (kind === 'other') await rm(path);
    if (kind !== 'folder') await mkdir(path, { mode: 0o755 });
    way.push(part);
  }
  return way.reduce(join, root);
}

async function kindOf(path: Buffer): Promise<'folder' | 'link' | 'other' | undefined> {
  try {
    const facts = await lstat(path);
    if (facts.isSymbolicLink()) return 'link';
    return facts.isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The parts of a path, without empty ones and dots. */
function split(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(SLASH, start);
    const end = slash === -1 ? path.length : slash;
    const part = path.subarray(start, end);
    if (part.length > 0 && !part.equals(Buffer.from('.'))) parts.push(Buffer.from(part));
    start = end + 1;
  }
  return parts;
}

function unsafe(entry: Buffer, why: string): DeviceError {
  const name = JSON.stringify(entry.toString('utf8').slice(0, 200));
  return new DeviceError('corrupt', `an unsafe layer: the entry ${name} ${why}`);
}
