import { BlobStore } from './blob-store.ts';
import { AUDIT_SOURCES } from './catalog/audit-catalog.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Digest } from './digest.ts';
import { checkAborted } from './durable.ts';
import { StorageError } from './errors.ts';
import { isNamed } from './named.ts';
import type { IoOptions, ObjectStore } from './object-store.ts';

export interface BackupOptions extends IoOptions {
  readonly from: { readonly objects: ObjectStore; readonly catalog: Catalog };
  readonly to: ObjectStore;
  /** Makes a copy of the catalog as it is now, in place of the one made before, and opens it. */
  readonly snapshot: () => Promise<Catalog>;
  /** Objects looked at so far, and how many of them were copied. */
  readonly onProgress?: ((looked: number, copied: number) => void) | undefined;
}

/** A blob that rows name and that could not be copied, and why. */
export interface BackupFault {
  readonly digest: Digest;
  readonly reason: string;
}

export interface BackupReport {
  /** Blobs that the copied catalog names, once for each kind of row. */
  readonly objects: number;
  readonly copied: number;
  readonly copiedBytes: number;
  /** Copies of the catalog that were made, the last one being whole. */
  readonly snapshots: number;
  /** What is lost or damaged in the store itself: `rivulet fsck` says more. */
  readonly faults: readonly BackupFault[];
}

/** Each time only what a collector took meanwhile is asked for again; more are a store that melts. */
const MAX_SNAPSHOTS = 20;
const PAGE = 500;

/**
 * Copies a store while it is used, so that the copy is one that `checkStore` calls clean: first what rows
 * name now, then a snapshot of the catalog, then what the snapshot names beside. Bytes are durable before a
 * row names them, so all that a snapshot names is there to be copied; should a collector have taken some
 * of it by then, which needs a deletion and a grace period between the two, another snapshot is taken.
 * Objects never change: what the copy has already is not copied again. Every byte copied is checked by
 * its digest. Everything acknowledged before the call is in the copy; upload sessions are not.
 *
 * Throws `aborted`, `no_space`, and `unavailable` when a store or the catalog fails; copied objects stay.
 */
export async function copyStore(options: BackupOptions): Promise<BackupReport> {
  const copy = new StoreCopy(options);
  await copy.pass(options.from.catalog);
  for (let snapshots = 1; snapshots <= MAX_SNAPSHOTS; snapshots += 1) {
    const snapshot = await options.snapshot();
    try {
      if (await copy.pass(snapshot)) return copy.report(snapshots);
    } finally {
      await snapshot.close();
    }
  }
  throw new StorageError(
    'unavailable',
    `after ${MAX_SNAPSHOTS} copies of the catalog the collector still takes what they name: stop it meanwhile`,
  );
}

class StoreCopy {
  readonly #options: BackupOptions;
  readonly #source: BlobStore;
  readonly #target: BlobStore;
  #looked = 0;
  #copied = 0;
  #copiedBytes = 0;
  #faults = new Map<Digest, string>();

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#source = new BlobStore(options.from.objects);
    this.#target = new BlobStore(options.to);
  }

  /** Copies what the catalog names; false when something of it was collected before that. */
  async pass(catalog: Catalog): Promise<boolean> {
    const { onProgress } = this.#options;
    this.#faults = new Map();
    this.#looked = 0;
    let whole = true;
    for (const source of AUDIT_SOURCES) {
      let after: Digest | undefined;
      for (;;) {
        const page = await catalog.audit.expected(source, after, PAGE);
        for (const { digest } of page) if (!(await this.#copy(digest))) whole = false;
        this.#looked += page.length;
        onProgress?.(this.#looked, this.#copied);
        after = page.at(-1)?.digest;
        if (page.length < PAGE) break;
      }
    }
    return whole;
  }

  report(snapshots: number): BackupReport {
    return {
      objects: this.#looked,
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      snapshots,
      faults: [...this.#faults].map(([digest, reason]) => ({ digest, reason })),
    };
  }

  async #copy(digest: Digest): Promise<boolean> {
    const { signal } = this.#options;
    checkAborted(signal, 'backup');
    if ((await this.#target.stat(digest, { signal })) !== undefined) return true;
    try {
      const source = await this.#source.open(digest, { signal });
      try {
        const { size } = await this.#target.put(digest, source, { signal });
        this.#copied += 1;
        this.#copiedBytes += size;
      } finally {
        source.destroy();
      }
      return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (!['missing', 'corrupt', 'digest_mismatch'].includes(error.code)) throw error;
      if (!(await isNamed(this.#options.from.catalog.audit, digest))) return false;
      this.#faults.set(digest, error.message);
      return true;
    }
  }
}
