import { expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import type { ManifestReader } from '../../../storage/fsck/manifests.ts';
import { REPO, STABLE } from '../../suites/catalog/names.ts';
import { chunkPending, RepairWorld } from './repair-world.ts';

/** The same object, but for one method whose first call is another's. */
function withFirst<T extends object, K extends keyof T>(target: T, name: K, first: T[K]): T {
  let left = 1;
  return new Proxy(target, {
    get(_, key) {
      if (key === name && left > 0) {
        left -= 1;
        return first;
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const withPart = <K extends keyof Catalog>(catalog: Catalog, name: K, part: Catalog[K]): Catalog =>
  new Proxy(catalog, {
    get: (target, key) => (key === name ? part : (Reflect.get(target, key) as unknown)),
  });

test('a layer that is chunked anew between two questions is no fault', async () => {
  const { world, layer } = await RepairWorld.open('memory');
  const { objects, catalog } = world.store;
  const { repair } = catalog.audit;
  const asked: string[] = [];
  const beside = withFirst(repair, 'packsOfLayer', async (digest) => {
    asked.push(digest);
    await repair.rechunk([digest]);
    const packs = await repair.packsOfLayer(digest);
    await chunkPending(world);
    return packs;
  });
  const audit = new Proxy(catalog.audit, {
    get(target, key) {
      const value: unknown = key === 'repair' ? beside : Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const options = { objects, catalog: withPart(catalog, 'audit', audit), quick: false };
  expect((await checkStore(options)).faults).toEqual([]);
  expect(asked).toHaveLength(1);
  expect(await catalog.layers.get(layer)).toMatchObject({ state: 'chunked' });
});

test('a manifest that is deleted and pushed again between two questions is no fault', async () => {
  const { world, manifest } = await RepairWorld.open('memory');
  const { objects, catalog } = world.store;
  const { repositories } = catalog;
  const row = await repositories.getManifest(REPO, manifest);
  if (row === undefined) throw new Error('no manifest');
  const children = await repositories.children(REPO, manifest);
  const readManifest: ManifestReader = () => ({
    mediaType: row.mediaType,
    children: children.map((child) => ({ ...child, open: false })),
  });
  let asked = 0;
  const beside = withFirst(repositories, 'children', async (repo, digest) => {
    asked += 1;
    await repositories.deleteManifest(repo, digest);
    const named = await repositories.children(repo, digest);
    await repositories.putManifest(repo, row, children, STABLE);
    return named;
  });
  const hooked = withPart(catalog, 'repositories', beside);
  const { faults } = await checkStore({ objects, catalog: hooked, quick: false, readManifest });
  expect(faults).toEqual([]);
  expect(asked).toBe(1);
});
