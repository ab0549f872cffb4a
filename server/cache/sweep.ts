import { rmSync } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { CachedObject, CachedObjects } from '../../storage/catalog/cache-objects.ts';
import { isDigest, type Digest } from '../../storage/digest.ts';
import { checkAborted, errnoOf } from '../../storage/durable.ts';
import { sparsePaths } from '../../storage/sparse/sparse-paths.ts';

const BLOB_FILE = /^(sha256|sha512)-([0-9a-f]+)\.(?:data|map)$/;
const TEMPORARY = /^\.[0-9a-f]+\.tmp$/;
/** Files and rows that are looked at between two turns of the event loop. */
const PAGE = 500;
/** POSIX: `st_blocks` counts these. */
const DISK_BLOCK_BYTES = 512;

export interface SweepOptions {
  /** Folder of the sparse files. */
  readonly folder: string;
  readonly objects: Pick<CachedObjects, 'known' | 'page' | 'delete' | 'measure'>;
  /** True of blobs that are being read or filled: they are not touched. */
  readonly isOpen: (digest: Digest) => boolean;
  /** Temporary files older than this are an earlier run's. Milliseconds since the epoch. */
  readonly startedMs: number;
  readonly signal: AbortSignal;
}

/** What a sweep removed; `files` of a folder, or objects of a bucket. */
export interface Swept {
  readonly files: number;
  readonly rows: number;
}

/**
 * Makes folder and catalog agree after a crash: removes temporary files and files that no row names,
 * drops rows without a file, and measures blobs that were not at rest. Runs while the cache serves:
 * what it mends does no harm before, but for bytes that are not counted right. Returns what it
 * removed.
 */
export async function sweepBlobFolder(options: SweepOptions): Promise<Swept> {
  const files = await sweepFiles(options);
  let rows = 0;
  for await (const row of pagesOf(options.objects, options.signal)) {
    rows += await sweepRow(row, options);
  }
  return { files, rows };
}

async function sweepFiles(options: SweepOptions): Promise<number> {
  let files = 0;
  let names: string[] = [];
  for await (const { name } of await opendir(options.folder, { bufferSize: PAGE })) {
    names.push(name);
    if (names.length < PAGE) continue;
    files += await sweepNames(names, options);
    names = [];
  }
  return files + (await sweepNames(names, options));
}

async function sweepNames(names: readonly string[], options: SweepOptions): Promise<number> {
  const { folder, objects, isOpen, startedMs, signal } = options;
  checkAborted(signal, 'sweeping the cache');
  const digests = [...new Set(names.map(digestIn).filter((digest) => digest !== undefined))];
  const known = await objects.known(digests);
  let removed = 0;
  for (const name of names) {
    const digest = digestIn(name);
    const path = join(folder, name);
    if (digest === undefined) {
      if (!TEMPORARY.test(name) || ((await statOf(path))?.mtimeMs ?? Infinity) >= startedMs)
        continue;
    } else if (known.has(digest) || isOpen(digest)) continue;
    // At once: whoever opens the blob from now on makes its files anew.
    rmSync(path, { force: true });
    removed += 1;
  }
  return removed;
}

function digestIn(name: string): Digest | undefined {
  const match = BLOB_FILE.exec(name);
  const digest = match === null ? '' : `${match[1] ?? ''}:${match[2] ?? ''}`;
  return isDigest(digest) ? digest : undefined;
}

/** All rows, read by the page. */
export async function* pagesOf(
  objects: Pick<CachedObjects, 'page'>,
  signal: AbortSignal,
): AsyncGenerator<CachedObject, void, undefined> {
  let last: Digest | undefined;
  for (;;) {
    checkAborted(signal, 'sweeping the cache');
    const page = await objects.page(last, PAGE);
    yield* page;
    last = page.at(-1)?.digest;
    if (last === undefined) return;
  }
}

/** The rows that went: 0 or 1. */
async function sweepRow(row: CachedObject, options: SweepOptions): Promise<number> {
  const { folder, objects, isOpen } = options;
  const { digest, size, complete } = row;
  const facts = await statOf(sparsePaths(folder, digest).data);
  if (isOpen(digest)) return 0;
  if (facts === undefined) {
    await objects.delete(digest);
    return 1;
  }
  if (!complete) await objects.measure(digest, Math.min(size, facts.blocks * DISK_BLOCK_BYTES));
  return 0;
}

async function statOf(
  path: string,
): Promise<{ readonly blocks: number; readonly mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
