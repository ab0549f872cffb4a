import { BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { UploadService } from '../../../storage/upload/service.ts';
import type { UploadId } from '../../../storage/keys.ts';
import { TestClock } from '../../suites/catalog/names.ts';
import type { Gate } from './actor.ts';
import { gatedCatalog, gatedObjects } from './gated.ts';
import { Model } from './model.ts';
import type { RepoName } from '../../../storage/names.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const GRACE_MS = HOUR;
export const SESSION_MS = 3 * HOUR;
export const LIVE_MS = 6 * HOUR;
/** A client's session and how many pieces it has sent. */
export interface ClientSession {
  readonly repo: RepoName;
  readonly id: UploadId;
}

/** What an operation works on. */
export interface Stores {
  readonly objects: ObjectStore;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly uploads: UploadService;
}

/** A store on a clock that the test moves, and what its clients were promised. */
export class World {
  readonly clock: TestClock;
  readonly model: Model;
  readonly scratch: string;
  /** The stores without gates. */
  readonly bare: Stores;
  /** Decisions that devices were given. */
  decisions = 0;
  /** Upload sessions by the client's number. */
  readonly clients = new Map<number, ClientSession>();

  constructor(catalog: Catalog, clock: TestClock, scratch: string) {
    this.clock = clock;
    this.model = new Model(clock.read);
    this.scratch = scratch;
    this.bare = this.#stores(createMemoryStore(clock.read), catalog);
  }

  gated(gate: Gate): Stores {
    return this.#stores(
      gatedObjects(this.bare.objects, gate),
      gatedCatalog(this.bare.catalog, gate),
    );
  }

  #stores(objects: ObjectStore, catalog: Catalog): Stores {
    const uploads = new UploadService({ objects, catalog, clock: this.clock.read });
    return { objects, catalog, uploads, blobs: new BlobStore(objects) };
  }
}
