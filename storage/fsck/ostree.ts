import { BlobStore } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ChunkRow } from '../catalog/layer-catalog.ts';
import type { OstreeRefTarget } from '../catalog/ostree-audit.ts';
import { joinChunks, readRun } from '../chunk/restore.ts';
import { checkAborted } from '../durable.ts';
import { StorageError } from '../errors.ts';
import type { FoundFault, FsckFaultKind } from './fault.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';
import { formatObjectName, type OstreeObjectName } from '../ostree/object-name.ts';

export interface OstreeCheckOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  /** Trusts the bytes: contents are not read. */
  readonly quick: boolean;
  /** Takes a fault; more than one may have the same kind and subject. */
  readonly note: (fault: FoundFault) => void;
}

export interface OstreeCheckReport {
  /** OSTree objects in the store. */
  readonly ostreeObjects: number;
  readonly ostreeRefs: number;
}

/** Names listed for one fault, and objects named for one chunk. */
const MAX_NAMED = 20;
/** Rows read at once. */
const PAGE = 500;

/**
 * Checks OSTree's rows: that the chunks of every object make its size, that every ref's commit is whole,
 * and, unless it is quick, that every chunk lies where its rows say. That packs are there and hold
 * the bytes of their digest is checked with the blobs.
 */
export class OstreeCheck {
  readonly #options: OstreeCheckOptions;
  readonly #blobs: BlobStore;

  constructor(options: OstreeCheckOptions) {
    this.#options = options;
    this.#blobs = new BlobStore(options.objects);
  }

  async run(): Promise<OstreeCheckReport> {
    const ostreeObjects = await this.#checkObjects();
    const ostreeRefs = await this.#checkRefs();
    if (!this.#options.quick) await this.#checkChunks();
    return { ostreeObjects, ostreeRefs };
  }

  async #checkObjects(): Promise<number> {
    let looked = 0;
    let after: number | undefined;
    do {
      this.#checkAborted();
      const page = await this.#audit.uneven(after, PAGE);
      for (const name of page.uneven) await this.#fault('corrupt', name);
      looked += page.looked;
      after = page.next;
    } while (after !== undefined);
    return looked;
  }

  async #checkRefs(): Promise<number> {
    let refs = 0;
    let after: OstreeRefTarget | undefined;
    do {
      const page = await this.#audit.refs(after, PAGE);
      for (const target of page) await this.#checkRef(target);
      refs += page.length;
      after = page.length < PAGE ? undefined : page.at(-1);
    } while (after !== undefined);
    return refs;
  }

  async #checkRef({ repo, ref, checksum }: OstreeRefTarget): Promise<void> {
    this.#checkAborted();
    const { catalog, note } = this.#options;
    const gaps = await catalog.ostree.closureGaps(repo, checksum, MAX_NAMED);
    // A ref that went elsewhere meanwhile may leave a commit that is collected.
    if (gaps.length === 0 || (await catalog.ostree.resolveRef(repo, ref)) !== checksum) return;
    for (const gap of gaps) {
      const about = { type: 'object', name: gap } as const;
      const affects = `ref ${repo}:${ref}`;
      note({ kind: 'missing', subject: formatObjectName(gap), affects, about });
    }
  }

  async #checkChunks(): Promise<void> {
    let after: ChunkRow | undefined;
    do {
      const page = await this.#audit.chunks(after, PAGE);
      for (const run of joinChunks(page, 0)) {
        this.#checkAborted();
        if ((await this.#faultIn(run)) === undefined) continue;
        for (const chunk of run) {
          const kind = await this.#faultIn([chunk]);
          if (kind !== undefined) await this.#chunkFault(kind, chunk);
        }
      }
      after = page.length < PAGE ? undefined : page.at(-1);
    } while (after !== undefined);
  }

  /** Undefined as well for what shows in the pack as a whole: that it is lost or can't be read. */
  async #faultIn(run: readonly [ChunkRow, ...ChunkRow[]]): Promise<FsckFaultKind | undefined> {
    const { signal } = this.#options;
    try {
      const chunks = readRun(this.#blobs, run[0].pack, run, { signal })[Symbol.asyncIterator]();
      while ((await chunks.next()).done !== true);
      return undefined;
    } catch (error) {
      if (!(error instanceof StorageError) || error.code === 'aborted') throw error;
      return error.code === 'missing' || error.code === 'unavailable' ? undefined : 'corrupt';
    }
  }

  async #chunkFault(kind: FsckFaultKind, { pack, offset }: ChunkRow): Promise<void> {
    for (const name of await this.#audit.objectsAt(pack, offset, MAX_NAMED)) {
      await this.#fault(kind, name);
    }
  }

  async #fault(kind: FsckFaultKind, name: OstreeObjectName): Promise<void> {
    const affected = await this.#audit.affected(name, MAX_NAMED);
    const affects = affected.length === 0 ? 'nothing that is named' : affected.join(', ');
    const about = { type: 'object', name } as const;
    this.#options.note({ kind, subject: formatObjectName(name), affects, about });
  }

  get #audit() {
    return this.#options.catalog.audit.ostree;
  }

  #checkAborted(): void {
    checkAborted(this.#options.signal, 'check of the store');
  }
}
