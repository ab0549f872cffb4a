import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../storage/digest.ts';
import { errnoOf, makeDirectory, syncDirectory } from '../../storage/durable.ts';
import { fileSize, removeDurable, renameDurable } from './durable.ts';
import { slotPath, type DevicePaths, type SlotName } from './paths.ts';
import { slotDigest } from './slot.ts';

/** An older release that stays on the device whole, beside the two slots. */
export interface KeptRelease {
  readonly digest: Digest;
  /** An OCI layout, as a slot is. */
  readonly path: string;
}

/** The order in which they were put away, and the release. */
const NAME = /^(\d{8})-(sha256|sha512)-([0-9a-f]+)$/;

/**
 * The kept releases, the one that was put away last first. Only folders with an index.json count:
 * one whose removal was cut off has none.
 */
export async function listKept(paths: DevicePaths): Promise<readonly KeptRelease[]> {
  const kept: KeptRelease[] = [];
  for (const name of (await names(paths)).sort().reverse()) {
    const [, , algorithm, hex] = NAME.exec(name) ?? [];
    const path = join(paths.kept, name);
    if (algorithm === undefined || hex === undefined) continue;
    if ((await fileSize(join(path, 'index.json'))) === undefined) continue;
    kept.push({ digest: parseDigest(`${algorithm}:${hex}`), path });
  }
  return kept;
}

/**
 * Puts a slot's release away into `kept` by one rename, so that the slot can take another. What is no
 * whole release, or has damaged documents, stays for the slot's next writer. Idempotent.
 */
export async function putAway(paths: DevicePaths, slot: SlotName): Promise<void> {
  const digest = await slotDigest(paths, slot);
  if (digest === undefined) return;
  await makeDirectory(paths.kept);
  const older = (await listKept(paths)).filter((kept) => kept.digest === digest);
  const last = (await names(paths)).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
  const number = (Math.max(0, ...last) + 1).toString().padStart(8, '0');
  const name = `${number}-${digestAlgorithm(digest)}-${digestHex(digest)}`;
  await renameDurable(slotPath(paths, slot), join(paths.kept, name));
  await syncDirectory(paths.slots);
  for (const { path } of older) await removeKept(path);
}

/** Moves a kept release into a slot that was emptied or holds no whole release. */
export async function takeOut(
  paths: DevicePaths,
  kept: KeptRelease,
  slot: SlotName,
): Promise<void> {
  await removeDurable(slotPath(paths, slot));
  await renameDurable(kept.path, slotPath(paths, slot));
  await syncDirectory(paths.kept);
}

/** Bytes that dropping all kept releases would free: of files that nothing else links. */
export async function reclaimableBytes(paths: DevicePaths): Promise<number> {
  const seen = new Map<string, { links: number; readonly nlink: number; readonly bytes: number }>();
  for (const { path } of await listKept(paths)) {
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const { dev, ino, nlink, blocks } = await lstat(join(entry.parentPath, entry.name));
      const file = seen.get(`${dev}:${ino}`) ?? { links: 0, nlink, bytes: blocks * 512 };
      file.links += 1;
      seen.set(`${dev}:${ino}`, file);
    }
  }
  return [...seen.values()]
    .filter(({ links, nlink }) => links === nlink)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Gives the oldest kept release up for its space; false when there is none. */
export async function dropOldest(paths: DevicePaths): Promise<boolean> {
  const oldest = (await listKept(paths)).at(-1);
  if (oldest === undefined) return false;
  await removeKept(oldest.path);
  return true;
}

/**
 * Drops kept releases past `limit`, the oldest first, those that `except` names (the slots hold them),
 * and what an earlier removal left.
 */
export async function pruneKept(
  paths: DevicePaths,
  limit: number,
  except: ReadonlySet<Digest>,
): Promise<void> {
  const wanted = (await listKept(paths)).filter(({ digest }) => !except.has(digest));
  const stay = new Set(wanted.slice(0, limit).map(({ path }) => path));
  for (const name of await names(paths)) {
    const path = join(paths.kept, name);
    if (NAME.test(name) && !stay.has(path)) await removeKept(path);
  }
}

/** index.json goes first, so that what a cut off removal leaves is no release. */
async function removeKept(path: string): Promise<void> {
  await rm(join(path, 'index.json'), { force: true });
  await syncDirectory(path);
  await removeDurable(path);
}

async function names(paths: DevicePaths): Promise<string[]> {
  try {
    return await readdir(paths.kept);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
