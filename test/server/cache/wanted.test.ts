import { expect, test } from 'vitest';

import { pinnedBlobs, wantedBlobs } from '../../../server/cache/wanted.ts';
import { named, sampleFacts, samplePlatform } from '../updates/sample.ts';

const facts = sampleFacts();
const alive = { product: facts.product, channel: facts.channel, platform: 'linux/amd64' };

test('the delta from what lives here, and what its target needs', () => {
  const target = samplePlatform();
  expect(wantedBlobs([facts], [{ ...alive, current: named('v1') }])).toEqual({
    deltas: [{ digest: named('delta'), size: 5000 }],
    metadata: [target.manifest, target.config],
    plans: [
      { digest: named('index-a'), size: 500 },
      { digest: named('index-b'), size: 300 },
      { digest: named('a'), size: 60_000 },
      { digest: named('b'), size: 40_000 },
    ],
  });
});

test('nothing for the current version, another channel, another platform', () => {
  const none = { deltas: [], metadata: [], plans: [] };
  expect(wantedBlobs([facts], [{ ...alive, current: named('v2') }])).toEqual(none);
  const version = { ...alive, current: named('v1') };
  expect(wantedBlobs([facts], [{ ...version, channel: 'edge' }])).toEqual(none);
  expect(wantedBlobs([facts], [{ ...version, platform: 'linux/arm64' }])).toEqual(none);
  expect(wantedBlobs([], [version])).toEqual(none);
});

test('a version without a delta wants only the metadata, each blob once', () => {
  const live = ['v0', 'v00'].map((name) => ({ ...alive, current: named(name) }));
  const { deltas, metadata } = wantedBlobs([facts], live);
  expect(deltas).toEqual([]);
  expect(metadata).toHaveLength(2);
});

test('pins: metadata first, then deltas, indexes and layers, as far as the bytes go', () => {
  const wanted = wantedBlobs([facts], [{ ...alive, current: named('v1') }]);
  const all = ['v2', 'config', 'delta', 'index-a', 'index-b', 'a', 'b'].map(named);
  expect([...pinnedBlobs(wanted, 200_000)]).toEqual(all);
  expect([...pinnedBlobs(wanted, 50_000)]).toEqual([...all.slice(0, 5), named('b')]);
  expect([...pinnedBlobs(wanted, 1999)]).toEqual([named('v2'), named('index-a'), named('index-b')]);
});
