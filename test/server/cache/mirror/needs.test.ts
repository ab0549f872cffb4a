import { describe, expect, test } from 'vitest';

import {
  aheadNeeds,
  livePairs,
  offeredNeeds,
  type NeededBlob,
} from '../../../../server/cache/mirror/needs.ts';
import { pinnedBlobs, withinBudget } from '../../../../server/cache/mirror/pins.ts';
import type { MirroredPart } from '../../../../server/config.ts';
import { named, sampleFacts, samplePlatform } from '../../updates/sample.ts';

const facts = sampleFacts(samplePlatform(), samplePlatform({ platform: 'linux/arm/v7' }));
const alive = { product: facts.product, channel: facts.channel, platform: 'linux/amd64' };
const target = samplePlatform();
const rule = (what: readonly MirroredPart[], more = {}) => ({
  repositories: 'demo/*',
  tags: '**',
  what,
  fromScratch: false,
  ...more,
});

describe('what live versions are offered', () => {
  test('the delta from what lives here, and what the other plans to its target fetch', () => {
    const pairs = livePairs([facts], [{ ...alive, current: named('v1') }]);
    expect(offeredNeeds(pairs)).toEqual({
      metadata: [target.manifest, target.config],
      deltas: [{ digest: named('delta'), size: 5000 }],
      indexes: [
        { digest: named('index-a'), size: 500 },
        { digest: named('index-b'), size: 300 },
      ],
      pairs,
      layers: [
        { digest: named('a'), size: 60_000 },
        { digest: named('b'), size: 40_000 },
      ],
    });
  });

  test('nothing for the current version, another channel, another platform', () => {
    const version = { ...alive, current: named('v1') };
    expect(livePairs([facts], [{ ...alive, current: named('v2') }])).toEqual([]);
    expect(livePairs([facts], [{ ...version, channel: 'edge' }])).toEqual([]);
    expect(livePairs([facts], [{ ...version, platform: 'linux/arm64' }])).toEqual([]);
    expect(livePairs([], [version])).toEqual([]);
  });

  test('a version without a delta needs the rest, each blob once', () => {
    const live = ['v0', 'v00'].map((name) => ({ ...alive, current: named(name) }));
    const { deltas, metadata, layers, pairs } = offeredNeeds(livePairs([facts], live));
    expect([deltas.length, metadata.length, layers.length, pairs.length]).toEqual([0, 2, 2, 2]);
  });
});

describe('what the policy names', () => {
  const pairs = livePairs([facts], [{ ...alive, current: named('v1') }]);
  const needs = (what: readonly MirroredPart[], more = {}, liveOnly = false) =>
    aheadNeeds([facts], pairs, { rules: [rule(what, more)], liveOnly });

  test('of deltas: those of live pairs, and the metadata of every release', () => {
    const { tags, metadata, deltas, indexes, layers } = needs(['deltas']);
    expect(tags.map(({ digest, manifests }) => [digest, manifests.length])).toEqual([
      [facts.digest, 2],
    ]);
    expect(metadata).toEqual([target.manifest, target.config]);
    expect(deltas).toEqual([{ digest: named('delta'), size: 5000 }]);
    expect([indexes, layers]).toEqual([[], []]);
  });

  test('of chunks: indexes, and the pairs of which chunks are needed; of layers: all', () => {
    const chunks = needs(['chunks']);
    expect([chunks.indexes.length, chunks.pairs, chunks.deltas]).toEqual([2, pairs, []]);
    expect(needs(['layers']).layers).toEqual(
      target.layers.map(({ digest, size }) => ({ digest, size })),
    );
  });

  test('nothing of other repositories, tags and platforms; a plain platform is all its variants', () => {
    const nothing = { tags: [], metadata: [], deltas: [], indexes: [], pairs: [], layers: [] };
    expect(needs(['deltas', 'layers'], { repositories: 'other/*' })).toEqual(nothing);
    expect(needs(['deltas', 'layers'], { tags: 'v*' })).toEqual(nothing);
    expect(needs(['deltas', 'layers'], { platforms: ['linux/arm64'] })).toEqual(nothing);
    expect(needs(['ostree'])).toEqual(nothing);
    const variant = needs(['deltas'], { platforms: ['linux/arm'] });
    expect([variant.tags.length, variant.deltas]).toEqual([1, []]);
  });

  test('only of what lives here, without rules of its own', () => {
    const { tags, deltas } = needs(['deltas'], {}, true);
    expect([tags, deltas.length]).toEqual([[], 1]);
    const none = aheadNeeds([facts], [], { rules: [rule(['deltas', 'layers'])], liveOnly: true });
    expect([none.metadata, none.layers]).toEqual([[], []]);
  });
});

test('pins: in order, as far as the bytes go; what does not fit is passed over', () => {
  const needed: NeededBlob[] = [
    { digest: named('a'), size: 50 },
    { digest: named('b'), size: 60 },
    { digest: named('a'), size: 50 },
    { digest: named('c'), size: 50 },
  ];
  expect([...pinnedBlobs(needed, 160)]).toEqual(['a', 'b', 'c'].map(named));
  expect([...pinnedBlobs(needed, 100)]).toEqual(['a', 'c'].map(named));
  expect([...pinnedBlobs(needed, 49)]).toEqual([]);
});

test('the budget takes what fits, and tells what is left', () => {
  const items = [30, 80, 20].map((bytes) => ({ bytes }));
  expect(withinBudget(items, 60)).toEqual({
    chosen: [{ bytes: 30 }, { bytes: 20 }],
    left: [{ bytes: 80 }],
  });
});
