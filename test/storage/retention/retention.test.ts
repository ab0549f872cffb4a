import { expect, test } from 'vitest';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { collectGarbage } from '../../../storage/gc/collect.ts';
import { parseTag } from '../../../storage/names.ts';
import { retain } from '../../../storage/retention/retention.ts';
import type { RetentionPolicy } from '../../../storage/retention/policy.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { HOUR, StoreWorld } from '../store-world.ts';

const POLICY: RetentionPolicy = {
  releases: 1,
  liveMs: HOUR,
  rules: [
    {
      name: 'versions',
      repositories: () => true,
      tags: { matches: (tag) => tag.startsWith('v'), last: 1 },
    },
  ],
};

async function threeVersions(): Promise<StoreWorld> {
  const world = await StoreWorld.open('memory');
  for (const version of ['v1', 'v2', 'v3']) {
    await world.pushImage(version, ['base', `${version} layer`], parseTag(version));
  }
  return world;
}

function retainIn({ catalog, clock }: StoreWorld, dryRun: boolean, over: Partial<Catalog> = {}) {
  const { repositories, retention } = { ...catalog, ...over };
  return retain({ catalog: { repositories, retention }, nowMs: clock(), policy: POLICY, dryRun });
}

test('a preview foretells what goes and what the collector can then free, and changes nothing', async () => {
  const world = await threeVersions();
  await world.age();
  const foretold = await retainIn(world, true);
  expect(foretold).toMatchObject({ tags: 2, manifests: 2 });
  expect(foretold.freesBytes).toBe(
    ['v1', 'v1 config', 'v1 layer', 'v2', 'v2 config', 'v2 layer'].join('').length,
  );
  expect(await world.catalog.repositories.tags(REPO, { limit: 9 })).toHaveLength(3);
  expect(await retainIn(world, false)).toEqual(foretold);
  const { objects, catalog, clock } = world;
  const report = await collectGarbage({ objects, catalog, clock, graceMs: HOUR, dryRun: false });
  expect(report.removedBytes).toBe(foretold.freesBytes);
  expect(await world.stored(['v3', 'base', 'v3 layer'])).toEqual(['v3', 'base', 'v3 layer']);
  expect(await retainIn(world, false)).toMatchObject({ tags: 0, manifests: 0, freesBytes: 0 });
});

test('a tag that moves between the look and the removal stays, and what it was at too', async () => {
  const world = await threeVersions();
  const { retention } = world.catalog;
  let moved = false;
  const hooked: Catalog['retention'] = {
    blobsOf: (...args) => retention.blobsOf(...args),
    drop: (...args) => retention.drop(...args),
    async facts(...args) {
      const facts = await retention.facts(...args);
      if (!moved) await world.pushImage('late', ['base'], parseTag('v1'));
      moved = true;
      return facts;
    },
  };
  const report = await retainIn(world, false, { retention: hooked });
  expect(report).toMatchObject({ tags: 1, manifests: 1 });
  expect(await world.catalog.repositories.tags(REPO, { limit: 9 })).toEqual(['v1', 'v3']);
  const { manifests } = await retention.facts(REPO, 0);
  expect(manifests).toHaveLength(3);
});
