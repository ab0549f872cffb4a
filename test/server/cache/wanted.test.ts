import { expect, test } from 'vitest';

import { wantedBlobs } from '../../../server/cache/wanted.ts';
import { named, sampleFacts, samplePlatform } from '../updates/sample.ts';

const facts = sampleFacts();
const alive = { product: facts.product, channel: facts.channel, platform: 'linux/amd64' };

test('the delta from what lives here, and what its target needs', () => {
  const target = samplePlatform();
  expect(wantedBlobs([facts], [{ ...alive, current: named('v1') }])).toEqual({
    deltas: [{ digest: named('delta'), size: 5000 }],
    metadata: [target.manifest, target.config],
  });
});

test('nothing for the current version, another channel, another platform', () => {
  const none = { deltas: [], metadata: [] };
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
