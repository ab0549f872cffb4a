import type { Catalog } from '../catalog/catalog.ts';
import type { GcCutoff } from '../catalog/gc-catalog.ts';
import type { Clock } from '../clock.ts';
import type { Digest } from '../digest.ts';
import { checkAborted } from '../durable.ts';
import { blobFolders, blobKey, digestOfKey } from '../keys.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

export interface BlobSweepOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Pick<Catalog, 'gc'>;
  readonly clock: Clock;
  readonly dryRun: boolean;
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

export interface BlobSweepReport {
  readonly removedBlobs: number;
  readonly removedBytes: number;
  readonly keptBlobs: number;
  readonly keptBytes: number;
}

interface Candidate {
  readonly digest: Digest;
  readonly size: number;
}

/** Blobs condemned at once. */
const BATCH = 100;
/** A condemnation ends by itself after this, in case the collector dies: until then nobody can push the blob. */
const CONDEMNED_MS = 120_000;
/** Nothing is removed in a condemnation's last minute: the removal may take a while to happen. */
const MARGIN_MS = 60_000;
/** A manifest push looks its blobs up, then stores the manifest: within this the removal is remembered. */
const REMEMBERED_MS = 300_000;

/** One pass over every blob, folder by folder. */
export class BlobSweep {
  readonly #options: BlobSweepOptions;
  readonly #cutoff: GcCutoff;
  #removed = { blobs: 0, bytes: 0 };
  #seen = { blobs: 0, bytes: 0 };

  constructor(options: BlobSweepOptions, cutoff: GcCutoff) {
    this.#options = options;
    this.#cutoff = cutoff;
  }

  async run(): Promise<BlobSweepReport> {
    const folders = blobFolders();
    for (const [n, folder] of folders.entries()) {
      await this.#sweepFolder(folder);
      this.#options.onProgress?.((n + 1) / folders.length);
    }
    return {
      removedBlobs: this.#removed.blobs,
      removedBytes: this.#removed.bytes,
      keptBlobs: this.#seen.blobs - this.#removed.blobs,
      keptBytes: this.#seen.bytes - this.#removed.bytes,
    };
  }

  async #sweepFolder(folder: string): Promise<void> {
    const { objects, signal } = this.#options;
    let batch: Candidate[] = [];
    for await (const { key, size, modifiedMs } of objects.list(folder, { signal })) {
      this.#seen.blobs += 1;
      this.#seen.bytes += size;
      const digest = digestOfKey(key);
      if (digest === undefined || modifiedMs > this.#cutoff.unnamedBeforeMs) continue;
      batch.push({ digest, size });
      if (batch.length < BATCH) continue;
      await this.#sweepBatch(batch);
      batch = [];
    }
    if (batch.length > 0) await this.#sweepBatch(batch);
  }

  async #sweepBatch(batch: readonly Candidate[]): Promise<void> {
    const { catalog, clock, dryRun, signal } = this.#options;
    checkAborted(signal, 'garbage collection');
    const digests = batch.map(({ digest }) => digest);
    if (dryRun) {
      const reachable = await catalog.gc.reachable(digests, this.#cutoff);
      batch
        .filter(({ digest }) => !reachable.has(digest))
        .forEach((blob) => {
          this.#count(blob);
        });
      return;
    }
    const untilMs = clock() + CONDEMNED_MS;
    const condemned = await catalog.gc.condemn(digests, this.#cutoff, untilMs);
    const kept = new Set(condemned);
    try {
      for (const blob of batch) {
        if (!condemned.has(blob.digest)) continue;
        checkAborted(signal, 'garbage collection');
        if (clock() > untilMs - MARGIN_MS) break;
        if (await this.#remove(blob, untilMs)) kept.delete(blob.digest);
      }
    } finally {
      const removed = [...condemned].filter((digest) => !kept.has(digest));
      await catalog.gc.settle(removed, [...kept], untilMs, clock() + REMEMBERED_MS);
    }
  }

  /** Looks at the age again: whoever stored the blob anew meanwhile is about to name it. */
  async #remove(blob: Candidate, untilMs: number): Promise<boolean> {
    const { objects, clock, signal } = this.#options;
    const key = blobKey(blob.digest);
    const now = await objects.stat(key, { signal });
    if (now === undefined || now.modifiedMs > this.#cutoff.unnamedBeforeMs) return false;
    // The answer may have taken its time.
    if (clock() > untilMs - MARGIN_MS) return false;
    await objects.delete(key, { signal });
    this.#count(blob);
    return true;
  }

  #count(blob: Candidate): void {
    this.#removed.blobs += 1;
    this.#removed.bytes += blob.size;
  }
}
