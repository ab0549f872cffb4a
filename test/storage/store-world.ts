import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ChunkRow } from '../../storage/catalog/layer-catalog.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import type { Clock } from '../../storage/clock.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { REPO, STABLE } from '../suites/catalog/names.ts';
import { pair } from '../suites/catalog/pairs.ts';

export const HOUR = 3_600_000;
export const DRIVERS = ['memory', 'fs'] as const;

/** Opens objects and a catalog elsewhere; each world has its own. */
export type OpenElsewhere = (
  clock: Clock,
) => Promise<{ readonly objects: ObjectStore; readonly catalog: Catalog }>;
export type StoreDriver = (typeof DRIVERS)[number] | OpenElsewhere;

/** A store and a catalog that live two hours ago until a test lets the time pass. */
export class StoreWorld {
  readonly objects: ObjectStore;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** Folder of the fs driver's objects. */
  readonly folder: string;
  readonly #time: { offsetMs: number };

  private constructor(
    objects: ObjectStore,
    catalog: Catalog,
    folder: string,
    time: { offsetMs: number },
  ) {
    this.objects = objects;
    this.blobs = new BlobStore(objects);
    this.catalog = catalog;
    this.folder = folder;
    this.#time = time;
  }

  static async open(driver: StoreDriver): Promise<StoreWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'rivulet-store-'));
    const time = { offsetMs: -2 * HOUR };
    const clock = () => Date.now() + time.offsetMs;
    const { objects, catalog } =
      typeof driver === 'string'
        ? {
            objects: driver === 'fs' ? await openFsStore(folder) : createMemoryStore(clock),
            catalog: await openSqliteCatalog(':memory:', clock),
          }
        : await driver(clock);
    onTestFinished(async () => {
      await catalog.close();
      await rm(folder, { recursive: true, force: true });
    });
    return new StoreWorld(objects, catalog, folder, time);
  }

  readonly clock = (): number => Date.now() + this.#time.offsetMs;

  /** Lets two hours pass, once: all that is there is old, what comes is young. */
  async age(): Promise<void> {
    this.#time.offsetMs = 0;
    const entries = await readdir(this.folder, { recursive: true, withFileTypes: true });
    const past = new Date(Date.now() - 2 * HOUR);
    for (const entry of entries) {
      if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), past, past);
    }
  }

  async put(text: string): Promise<Digest> {
    return (await this.blobs.putBytes(Buffer.from(text))).digest;
  }

  /** A blob of the repository, as an upload leaves it. */
  async pushBlob(text: string): Promise<Digest> {
    const { digest, created } = await this.blobs.putBytes(Buffer.from(text));
    await this.catalog.repositories.linkBlob(REPO, digest, text.length, { created });
    return digest;
  }

  /** An image whose layers are the texts; returns its manifest. */
  async pushImage(name: string, layers: readonly string[], tag = STABLE): Promise<Digest> {
    const children = [{ digest: await this.pushBlob(`${name} config`), kind: 'config' as const }];
    const layerChildren = [];
    for (const text of layers) {
      layerChildren.push({ digest: await this.pushBlob(text), kind: 'layer' as const });
    }
    const digest = await this.put(name);
    const row = { digest, mediaType: 'application/x', size: name.length };
    await this.catalog.repositories.putManifest(REPO, row, [...children, ...layerChildren], tag);
    return digest;
  }

  /** Chunks a pushed layer into a pack of its own; `shared` are packs of others that it names too. */
  async chunkLayer(text: string, shared: readonly string[] = []): Promise<void> {
    const { layers } = this.catalog;
    const packText = `${text} pack`;
    const pack = { digest: await this.put(packText), size: packText.length };
    const indexText = `${text} index`;
    const index = { digest: await this.put(indexText), size: indexText.length };
    await layers.ensure(digestOf(Buffer.from(text)), 'tar');
    const claim = await layers.claim('w', 1000);
    if (claim === undefined) throw new Error('nothing to claim');
    const chunk: ChunkRow = {
      digest: digestOf(Buffer.from(`${text} chunk`)),
      pack: pack.digest,
      offset: 0,
      length: 1,
      rawLength: 1,
    };
    await layers.finish(claim.layer.digest, claim.lease, {
      diffId: digestOf(Buffer.from(`${text} tar`)),
      rawSize: 100,
      index,
      pack,
      newChunks: [chunk],
      packs: [pack.digest, ...shared.map((other) => digestOf(Buffer.from(`${other} pack`)))],
    });
  }

  async publishDelta(text: string): Promise<number> {
    const { deltas } = this.catalog;
    await deltas.ensure([pair(text, 'new')], 0);
    const claim = await deltas.claim('w', 1000);
    if (claim === undefined) throw new Error('nothing to claim');
    await deltas.publish(claim.delta.id, claim.lease, {
      digest: await this.put(text),
      size: text.length,
      fullSize: 1000,
      ramBytes: 1,
      buildMs: 1,
      applyMs: 1,
      codecs: {},
    });
    return claim.delta.id;
  }

  /** Which of the texts are stored. */
  async stored(texts: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (const text of texts) {
      if ((await this.blobs.stat(digestOf(Buffer.from(text)))) !== undefined) found.push(text);
    }
    return found;
  }
}
