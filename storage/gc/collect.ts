import type { Catalog } from '../catalog/catalog.ts';
import type { GcCutoff, GcRows } from '../catalog/gc-catalog.ts';
import type { Clock } from '../clock.ts';
import { checkAborted } from '../durable.ts';
import { BlobSweep } from './blobs.ts';
import { pruneOstree } from './ostree.ts';
import { sweepParts } from './parts.ts';
import type { RepoName } from '../names.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

export interface GcOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** The moment from which ages count; the clock's unless given. */
  readonly nowMs?: number | undefined;
  /** What is younger stays, whether something names it or not: its row may be on its way. */
  readonly graceMs: number;
  /** Commits kept of each OSTree ref, its own included; {@link KEPT_COMMITS} unless given. */
  readonly keptCommits?: number | undefined;
  /** The same for the refs of those repositories. */
  readonly keptCommitsIn?: ReadonlyMap<RepoName, number> | undefined;
  /** OSTree commits of devices seen within this time stay, see `GcCutoff`; {@link LIVE_DEVICE_MS} unless given. */
  readonly liveMs?: number | undefined;
  /** Counts what would go and removes nothing. */
  readonly dryRun: boolean;
  /** From 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

export interface GcReport {
  readonly removedBlobs: number;
  readonly removedBytes: number;
  /** Reached by a row, or younger than the grace period. */
  readonly keptBlobs: number;
  readonly keptBytes: number;
  /** Parts of upload sessions that are no more. */
  readonly removedParts: number;
  readonly removedRows: GcRows;
}

/** A delta's bytes outlive its row's retirement by this: plans last for half of it. */
export const RETIRED_DELTA_MS = 3_600_000;
/** Where a ref has been lately is what devices update from. */
export const KEPT_COMMITS = 10;
/** A device that was not seen for so long holds no commit. */
export const LIVE_DEVICE_MS = 30 * 24 * 3_600_000;
/** Rows of a kind removed in one transaction: other writers wait for as long, about a second with 10^6 chunks. */
const PRUNE_ROWS = 200;

/**
 * Removes what nothing reaches: first rows (OSTree objects that no ref reaches, links of blobs that no
 * manifest names, layers that nobody has, packs that neither layers nor objects name), then every blob that no row names and that is older than the grace
 * period, then parts of dead upload sessions. Roots are manifests and what they name, refs with the
 * last of their commits and with those that live devices run or may be rolled back to, young links, chunk indexes and packs of
 * layers in use, packs of OSTree objects, and deltas, of images and of commits, published or retired
 * within an hour.
 *
 * Runs beside a serving origin and beside itself: bytes go only while their digest is condemned in the
 * catalog, and a condemned digest can't be named (see `GcCatalog`). Memory is bounded: one folder of
 * blobs is looked at in batches. Throws `aborted` between two steps; all that was done stands.
 */
export async function collectGarbage(options: GcOptions): Promise<GcReport> {
  const { catalog, clock, graceMs, dryRun, signal } = options;
  const { keptCommits = KEPT_COMMITS, liveMs = LIVE_DEVICE_MS } = options;
  const startedMs = options.nowMs ?? clock();
  const cutoff: GcCutoff = {
    unnamedBeforeMs: startedMs - graceMs,
    retiredBeforeMs: startedMs - RETIRED_DELTA_MS,
    keptCommits,
    keptCommitsIn: options.keptCommitsIn,
    liveSinceMs: startedMs - liveMs,
  };
  const removedRows = dryRun
    ? await catalog.gc.prunable(cutoff)
    : await pruneAll(catalog, cutoff, signal);
  const blobs = await new BlobSweep(options, cutoff).run();
  const removedParts = await sweepParts(options, cutoff.unnamedBeforeMs);
  return { ...blobs, removedParts, removedRows };
}

async function pruneAll(
  catalog: Catalog,
  cutoff: GcCutoff,
  signal: AbortSignal | undefined,
): Promise<GcRows> {
  const ostree = await pruneOstree(catalog.gc, cutoff, PRUNE_ROWS, signal);
  const total = { links: 0, layers: 0, packs: 0, deltas: 0, ostreeDeltas: 0, ...ostree };
  for (;;) {
    checkAborted(signal, 'garbage collection');
    const pruned = await catalog.gc.prune(cutoff, PRUNE_ROWS);
    const { links, layers, packs, deltas, ostreeDeltas } = pruned;
    if (links + layers + packs + deltas + ostreeDeltas === 0) return total;
    total.links += links;
    total.layers += layers;
    total.packs += packs;
    total.deltas += deltas;
    total.ostreeDeltas += ostreeDeltas;
  }
}
