import type { BlobStore } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { createCut } from '../chunk/fastcdc.ts';
import { PackPresence } from '../chunk/pack-presence.ts';
import { checkAborted } from '../durable.ts';
import type { RepoName } from '../names.ts';
import type { IoOptions } from '../object-store.ts';
import { ObjectBatch, type BatchOptions, type IncomingObject } from './object-batch.ts';

export interface WriteOptions extends IoOptions {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'layers' | 'ostree'>;
  readonly repo: RepoName;
  /** A folder for packs while they grow: needs 64 MiB and what the largest object takes. */
  readonly scratch: string;
}

export interface WriteReport {
  /** Objects recorded. */
  readonly objects: number;
  /** Bytes of new packs. */
  readonly packBytes: number;
}

/**
 * Stores verified objects of a repository: cuts each content into chunks, keeps the chunks that no pack
 * has yet in one new pack a batch (4096 objects, or the object that takes the pack past 64 MiB), and
 * records the batch once its pack is durable. Objects may come in any order, before what they name or
 * after. Memory is bounded by 16 MiB of chunks and the batch's rows. Consumes `source` to its end.
 *
 * An object whose content throws is not recorded; those before it are, then the error is passed on.
 * Throws `size_mismatch` for a content of another size, `too_large` past 16 GiB, `aborted` (what was
 * recorded by then stays), `conflict` when a pack that was relied on was collected meanwhile (send the
 * objects that are still missing again), and the faults of the store and the catalog.
 */
export async function writeObjects(
  source: AsyncIterable<IncomingObject>,
  options: WriteOptions,
): Promise<WriteReport> {
  const writer = new ObjectWriter(options);
  try {
    await writer.addAll(source);
    await writer.flush();
    return writer.report;
  } finally {
    await writer.dispose();
  }
}

class ObjectWriter {
  readonly #options: BatchOptions;
  #batch: ObjectBatch | undefined;
  #objects = 0;
  #packBytes = 0;

  constructor(options: WriteOptions) {
    const { blobs, signal } = options;
    const presence = new PackPresence(blobs, signal);
    this.#options = { ...options, signal, presence, cut: createCut() };
  }

  get report(): WriteReport {
    return { objects: this.#objects, packBytes: this.#packBytes };
  }

  /** Takes objects until the end, or until one fails: those before it are stored. */
  async addAll(source: AsyncIterable<IncomingObject>): Promise<void> {
    const { signal } = this.#options;
    try {
      for await (const object of source) {
        checkAborted(signal, 'writing objects');
        this.#batch ??= await ObjectBatch.open(this.#options);
        await this.#batch.add(object);
        if (this.#batch.full) await this.flush();
      }
    } catch (error) {
      // Should the store fail too, it has kept what it could: the first error says more.
      if (signal?.aborted !== true) await this.flush().catch(() => undefined);
      throw error;
    }
  }

  /** Stores the batch, which is spent whether that works or not. */
  async flush(): Promise<void> {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    try {
      const { objects, packBytes } = await batch.store();
      this.#objects += objects;
      this.#packBytes += packBytes;
    } finally {
      await batch.dispose();
    }
  }

  async dispose(): Promise<void> {
    await this.#batch?.dispose();
  }
}
