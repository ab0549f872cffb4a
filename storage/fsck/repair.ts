import { randomBytes } from 'node:crypto';

import { BlobStore } from '../blob-store.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { DanglingRow, RepoManifest } from '../catalog/repair-catalog.ts';
import type { Clock } from '../clock.ts';
import type { Digest } from '../digest.ts';
import { isStorageError, StorageError } from '../errors.ts';
import { lookAtBytes } from './bytes.ts';
import type { FoundFault, FsckFaultKind, FsckRepair } from './fault.ts';
import { factsOfLayer } from './layers.ts';
import { rowsOfManifest, type ManifestFacts } from './manifests.ts';
import { remakeBlob, type BlobSource } from './remake.ts';
import { salvageChunks } from './salvage.ts';
import { blobKey, quarantineKey, type ObjectKey } from '../keys.ts';
import { isNamed } from '../named.ts';
import { openContent } from '../ostree/object-reader.ts';
import type { OstreeObjectName } from '../ostree/object-name.ts';

export interface RepairOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** A folder for packs while they grow. */
  readonly scratch: string;
  readonly elsewhere?: BlobSource | undefined;
}

/** A manifest that names a lost blob is refused for so long unless the blob is pushed first. */
const REMEMBERED_MS = 300_000;
const NOT_AGAIN = 'nothing has it any more: push it again';

/** Mends faults of a store; what can't be mended is put aside, never deleted. */
export class StoreRepair {
  readonly #options: RepairOptions;
  readonly #blobs: BlobStore;
  /** Where damaged bytes went, by the digest that they should have had. */
  readonly #aside = new Map<Digest, ObjectKey>();

  constructor(options: RepairOptions) {
    this.#options = options;
    this.#blobs = new BlobStore(options.objects);
  }

  /** Mends the faults, in an order in which one repair helps the next; each comes back with what was done. */
  async mendAll(faults: readonly FoundFault[]): Promise<readonly FoundFault[]> {
    const mended = new Map<FoundFault, FsckRepair>();
    for (const fault of faults) {
      const { about } = fault;
      if (about.type === 'blob') await this.#putDamageAside(about.digest, fault.kind);
    }
    for (const type of ['row', 'stray', 'blob', 'layer', 'manifest', 'object'] as const) {
      for (const fault of faults) {
        if (fault.about.type === type) mended.set(fault, await this.#mendSafely(fault));
      }
    }
    for (const [fault, repair] of mended) {
      if (!repair.repaired) mended.set(fault, await this.#lookAgain(fault, repair));
    }
    return faults.map((fault) => ({ ...fault, repair: mended.get(fault) }));
  }

  /** Objects that count as missing need their lost pack no more. */
  async #lookAgain({ about }: FoundFault, repair: FsckRepair): Promise<FsckRepair> {
    if (about.type !== 'blob' || (await this.#look(about.digest)) !== 'missing') return repair;
    await this.#forgetPack(about.digest);
    if (await this.#isNamed(about.digest)) return repair;
    return { repaired: true, did: `${repair.did}; nothing needs it now` };
  }

  /** A repair that fails leaves its fault, and the others are still mended. */
  async #mendSafely(fault: FoundFault): Promise<FsckRepair> {
    try {
      return await this.#mend(fault);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code === 'aborted') throw error;
      return { repaired: false, did: `the repair failed: ${error.message}` };
    }
  }

  async #mend({ about, kind }: FoundFault): Promise<FsckRepair> {
    switch (about.type) {
      case 'row':
        return this.#mendRow(about.row);
      case 'stray': {
        const to = await this.#putAside(about.key);
        return { repaired: true, did: `put aside as ${to}` };
      }
      case 'blob':
        return this.#mendBlob(about.digest, kind);
      case 'layer':
        return this.#mendLayer(about.layer);
      case 'manifest':
        return this.#mendManifest(about.manifest, about.facts);
      case 'object':
        return this.#mendObject(about.name);
    }
  }

  async #mendRow(row: DanglingRow): Promise<FsckRepair> {
    const { repair } = this.#options.catalog.audit;
    if (row.reference === 'tags to manifests') {
      return { repaired: false, did: 'the tag stays as it is: push it again, or delete it' };
    }
    const [pack] = row.key;
    if (row.reference.endsWith('to packs') && pack !== undefined) {
      const digest = pack as Digest;
      const stat = await this.#blobs.stat(digest, this.#io);
      if (stat !== undefined && (await this.#look(digest)) === 'whole') {
        await repair.restorePack(digest, stat.size);
        return { repaired: true, did: 'the row of the pack was made again' };
      }
      await this.#dropPack(digest);
    }
    await repair.removeDangling(row);
    return { repaired: true, did: 'the row was removed' };
  }

  /** What was relied on in a pack that is no more is cut again, or counts as missing. */
  async #dropPack(pack: Digest): Promise<void> {
    const { repair } = this.#options.catalog.audit;
    await repair.rechunk((await repair.layersOf(pack)).map(({ digest }) => digest));
    for (const { offset } of await repair.ostreePlaces(pack)) {
      const names = await this.#options.catalog.audit.ostree.objectsAt(pack, offset, 10_000);
      for (const name of names) await repair.forgetContent(name);
    }
  }

  async #putDamageAside(digest: Digest, kind: FsckFaultKind): Promise<void> {
    if (kind === 'missing' || this.#aside.has(digest)) return;
    const found = await this.#look(digest);
    if (found === 'whole' || found === 'missing') return;
    // A file that can't be read is a bad disk's; a service that does not answer may tomorrow.
    if (found === 'unreadable' && this.#options.objects.filePath === undefined) return;
    await this.#noteLost(digest);
    try {
      this.#aside.set(digest, await this.#putAside(blobKey(digest)));
    } catch (error) {
      // Its repair says that it is still there.
      if (!isStorageError(error, 'unavailable') && !isStorageError(error, 'no_space')) throw error;
    }
  }

  /** Whoever found it stored and is about to name it stores it anew. */
  async #noteLost(digest: Digest): Promise<void> {
    const { catalog, clock } = this.#options;
    await catalog.audit.repair.noteLost(digest, clock() + REMEMBERED_MS);
  }

  async #putAside(key: ObjectKey): Promise<ObjectKey> {
    const { objects, clock } = this.#options;
    const to = quarantineKey(key, clock(), randomBytes(8).toString('hex'));
    await objects.move(key, to, this.#io);
    return to;
  }

  async #mendBlob(digest: Digest, kind: FsckFaultKind): Promise<FsckRepair> {
    const { catalog } = this.#options;
    const aside = this.#aside.get(digest);
    const found = await this.#look(digest);
    if (found === 'whole') {
      const stat = await this.#blobs.stat(digest, this.#io);
      if (kind === 'wrong_size' && stat !== undefined) {
        await catalog.audit.repair.correctSize(digest, stat.size);
        return { repaired: true, did: 'the bytes are right: the size was corrected in its rows' };
      }
      return { repaired: true, did: 'it is whole' };
    }
    if (found !== 'missing') {
      return { repaired: false, did: 'it can be neither read nor put aside: look at the disk' };
    }
    // Again: what a server remembered until the bytes were gone counts no more.
    await this.#noteLost(digest);
    const where = aside === undefined ? '' : `put aside as ${aside}; `;
    const { repaired, did } = await this.#replace(digest, aside);
    const back = (await this.#blobs.stat(digest, this.#io)) !== undefined;
    if (back) await catalog.audit.repair.noteBack(digest);
    return { repaired, did: `${where}${did}` };
  }

  /** A lost blob is made again; else what relied on it goes on without. */
  async #replace(digest: Digest, aside: ObjectKey | undefined): Promise<FsckRepair> {
    const { catalog, elsewhere, scratch } = this.#options;
    const { repair } = catalog.audit;
    if (!(await this.#isNamed(digest))) return { repaired: true, did: 'nothing needs it' };
    const made = await remakeBlob(digest, {
      ...{ blobs: this.#blobs, catalog, scratch, elsewhere },
      ...this.#io,
    });
    if (made !== undefined) return { repaired: true, did: made };
    const steps: string[] = [];
    const deltas = await repair.rebuildDeltas(digest);
    if (deltas > 0) steps.push(`${deltas} deltas are built again by the next builder`);
    const layers = await this.#rechunkable(digest);
    await repair.rechunk(layers);
    if (layers.length > 0)
      steps.push(`${layers.length} layers are chunked again by the next builder`);
    const saved = await salvageChunks(digest, aside, {
      ...{ objects: this.#options.objects, catalog, scratch },
      ...this.#io,
    });
    if (saved > 0) steps.push(`${saved} chunks of OSTree objects were moved to another pack`);
    if (await this.#forgetPack(digest)) steps.push('the row of the pack was removed');
    const repaired = !(await this.#isNamed(digest));
    if (!repaired) steps.push(NOT_AGAIN);
    return { repaired, did: steps.length > 0 ? steps.join('; ') : 'nothing needs it' };
  }

  async #forgetPack(pack: Digest): Promise<boolean> {
    const { repair } = this.#options.catalog.audit;
    return (await repair.layersOf(pack)).length === 0 && (await repair.forgetPack(pack));
  }

  /** Layers with that index or pack whose pushed blob is there to be chunked again. */
  async #rechunkable(blob: Digest): Promise<readonly Digest[]> {
    const there: Digest[] = [];
    for (const { digest } of await this.#options.catalog.audit.repair.layersOf(blob)) {
      if ((await this.#blobs.stat(digest, this.#io)) !== undefined) there.push(digest);
    }
    return there;
  }

  async #mendLayer(layer: Digest): Promise<FsckRepair> {
    const { catalog } = this.#options;
    const row = await catalog.layers.get(layer);
    if (row?.state !== 'chunked') return { repaired: true, did: 'the layer is chunked again' };
    const facts = await factsOfLayer(this.#blobs, row, this.#io);
    if (facts === undefined) return { repaired: false, did: 'its chunk index is lost' };
    for (const pack of facts.packs) {
      const stat = await this.#blobs.stat(pack, this.#io);
      if (stat === undefined) {
        await catalog.audit.repair.rechunk([layer]);
        return { repaired: true, did: 'a pack is lost: the next builder chunks the layer again' };
      }
      await catalog.audit.repair.restorePack(pack, stat.size);
    }
    await catalog.audit.repair.relocate(layer, facts);
    return { repaired: true, did: 'its rows were made again from the chunk index' };
  }

  async #mendManifest(manifest: RepoManifest, facts: ManifestFacts): Promise<FsckRepair> {
    const { catalog } = this.#options;
    const { row, children } = await rowsOfManifest(catalog, manifest, facts);
    await catalog.audit.repair.correctManifest(manifest.repo, row, children);
    return { repaired: true, did: 'its rows were made again from its bytes' };
  }

  async #mendObject(name: OstreeObjectName): Promise<FsckRepair> {
    const { ostree, audit } = this.#options.catalog;
    const wanted = await audit.repair.contentSize(name);
    if (wanted === undefined) return { repaired: false, did: NOT_AGAIN };
    try {
      let size = 0;
      const chunks = await ostree.chunksOf(name);
      for await (const bytes of openContent(this.#blobs, chunks, this.#io)) size += bytes.length;
      if (size === wanted) return { repaired: true, did: 'it is whole again with its pack' };
    } catch (error) {
      if (!(error instanceof StorageError) || error.code === 'aborted') throw error;
      if (error.code === 'unavailable') throw error;
    }
    await audit.repair.forgetContent(name);
    return { repaired: false, did: 'it counts as missing now: push the ref again' };
  }

  #isNamed(digest: Digest): Promise<boolean> {
    return isNamed(this.#options.catalog.audit, digest);
  }

  #look(digest: Digest) {
    return lookAtBytes(this.#options.objects, digest, this.#io);
  }

  get #io(): IoOptions {
    return { signal: this.#options.signal };
  }
}
