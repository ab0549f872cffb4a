import { BlobStore } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LayerRow } from '../catalog/layer-catalog.ts';
import type { RepoManifest } from '../catalog/repair-catalog.ts';
import type { Digest } from '../digest.ts';
import { checkAborted } from '../durable.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';
import type { FoundFault } from './fault.ts';
import { factsOfLayer, faultOfRows } from './layers.ts';
import {
  factsOfManifest,
  faultOfManifest,
  type ManifestFacts,
  type ManifestReader,
} from './manifests.ts';

export interface WrongRowCheckOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  /** Without it manifests are not compared. */
  readonly readManifest?: ManifestReader | undefined;
  readonly note: (fault: FoundFault) => void;
}

/** Rows read at once. */
const PAGE = 500;

/**
 * Compares what blobs say with the rows that were made from them: chunk indexes of layers, manifests.
 * Whatever seems wrong is looked at twice, as it is then: its rows may have been deleted and written
 * anew between one question to the catalog and the next.
 */
export class WrongRowCheck {
  readonly #options: WrongRowCheckOptions;
  readonly #blobs: BlobStore;

  constructor(options: WrongRowCheckOptions) {
    this.#options = options;
    this.#blobs = new BlobStore(options.objects);
  }

  async run(): Promise<void> {
    await this.#checkLayers();
    await this.#checkManifests();
  }

  async #checkLayers(): Promise<void> {
    const { catalog, signal } = this.#options;
    let after: Digest | undefined;
    for (;;) {
      const page = await catalog.audit.repair.chunkedLayers(after, PAGE);
      for (const layer of page) {
        checkAborted(signal, 'check of the store');
        await this.#checkLayer(layer);
      }
      after = page.at(-1)?.digest;
      if (page.length < PAGE) return;
    }
  }

  async #checkLayer(layer: LayerRow): Promise<void> {
    const { catalog, note } = this.#options;
    if ((await this.#faultOfLayer(layer)) === undefined) return;
    const now = await catalog.layers.get(layer.digest);
    const affects = now && (await this.#faultOfLayer(now));
    if (affects === undefined) return;
    const about = { type: 'layer', layer: layer.digest } as const;
    note({ kind: 'wrong_row', subject: `layer ${layer.digest}`, affects, about });
  }

  async #faultOfLayer(layer: LayerRow): Promise<string | undefined> {
    const { catalog, signal } = this.#options;
    const facts = await factsOfLayer(this.#blobs, layer, { signal });
    const fault = facts && (await faultOfRows(catalog, layer, facts));
    if (fault === undefined) return undefined;
    // A layer that was chunked anew meanwhile has another index, or will.
    const now = await catalog.layers.get(layer.digest);
    return now?.index?.digest === layer.index?.digest ? fault : undefined;
  }

  async #checkManifests(): Promise<void> {
    const { catalog, readManifest, signal } = this.#options;
    if (readManifest === undefined) return;
    let after: RepoManifest | undefined;
    for (;;) {
      const page = await catalog.audit.repair.manifests(after, PAGE);
      for (const manifest of page) {
        checkAborted(signal, 'check of the store');
        await this.#checkManifest(manifest, readManifest);
      }
      after = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  async #checkManifest(manifest: RepoManifest, read: ManifestReader): Promise<void> {
    const { catalog, note } = this.#options;
    const { repo } = manifest;
    const { digest } = manifest.row;
    if ((await this.#faultOfManifest(manifest, read)) === undefined) return;
    const row = await catalog.repositories.getManifest(repo, digest);
    const found = row && (await this.#faultOfManifest({ repo, row }, read));
    if (found === undefined) return;
    const { affects, facts } = found;
    const about = { type: 'manifest', manifest, facts } as const;
    note({ kind: 'wrong_row', subject: `manifest ${repo}@${digest}`, affects, about });
  }

  async #faultOfManifest(
    { repo, row }: RepoManifest,
    read: ManifestReader,
  ): Promise<{ readonly affects: string; readonly facts: ManifestFacts } | undefined> {
    const { catalog, signal } = this.#options;
    const facts = await factsOfManifest(this.#blobs, row, read, { signal });
    if (facts === undefined) return undefined;
    const children = await catalog.repositories.children(repo, row.digest);
    const affects = faultOfManifest(row, children, facts);
    if (affects === undefined) return undefined;
    // Deleted since its row was read, it has lost what it named as it should.
    const now = await catalog.repositories.getManifest(repo, row.digest);
    return now && { affects, facts };
  }
}
