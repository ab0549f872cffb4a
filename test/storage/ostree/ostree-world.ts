import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { WriteOptions, WriteReport } from '../../../storage/ostree/object-writer.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { openContent } from '../../../storage/ostree/object-reader.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { collect } from '../chunk/material.ts';
import { StoreWorld, type StoreDriver } from '../store-world.ts';
import { incoming, type MadeObject } from './objects.ts';

export const STABLE = parseOstreeRef('fleet/stable');

/** A {@link StoreWorld} with a scratch folder, and what OSTree pushes do to it. */
export class OstreeWorld {
  readonly store: StoreWorld;
  readonly scratch: string;

  private constructor(store: StoreWorld, scratch: string) {
    this.store = store;
    this.scratch = scratch;
  }

  static async open(driver: StoreDriver = 'memory'): Promise<OstreeWorld> {
    const store = await StoreWorld.open(driver);
    const scratch = await mkdtemp(join(tmpdir(), 'rivulet-ostree-'));
    onTestFinished(() => rm(scratch, { recursive: true, force: true }));
    return new OstreeWorld(store, scratch);
  }

  options(repo: RepoName = REPO): WriteOptions {
    const { blobs, catalog } = this.store;
    return { blobs, catalog, repo, scratch: this.scratch };
  }

  async write(objects: Iterable<MadeObject>, repo: RepoName = REPO): Promise<WriteReport> {
    return writeObjects(incoming(objects), this.options(repo));
  }

  /** Writes what is missing and moves the ref, as a push does. */
  async push(
    objects: readonly [MadeObject, ...MadeObject[]],
    ref = STABLE,
    repo: RepoName = REPO,
  ): Promise<WriteReport> {
    const { ostree } = this.store.catalog;
    const names = await ostree.missing(
      repo,
      objects.map(({ name }) => name),
    );
    const missing = new Set(names.map((name) => name.checksum));
    const report = await this.write(
      objects.filter(({ name }) => missing.has(name.checksum)),
      repo,
    );
    await ostree.moveRef(repo, ref, objects[0].name.checksum, 'any');
    return report;
  }

  async read({ name }: MadeObject): Promise<Buffer> {
    const { blobs, catalog } = this.store;
    return collect(openContent(blobs, await catalog.ostree.chunksOf(name)));
  }

  /** Digests and bytes of every blob in the store. */
  async blobSizes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    for await (const { key, size } of this.store.objects.list('blobs/')) sizes.set(key, size);
    return sizes;
  }

  async packsOf(objects: readonly MadeObject[]): Promise<readonly Digest[]> {
    const names = objects.map(({ name }) => name);
    return [...(await this.store.catalog.ostree.packsOf(names)).keys()];
  }
}
