import { expect, test } from 'vitest';

import { BlobStore } from '../../../storage/blob-store.ts';
import { PackPresence } from '../../../storage/chunk/pack-presence.ts';
import { digestOf } from '../../../storage/digest.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { chunk } from '../../suites/catalog/layers.ts';

test('a chunk is taken from the first of its packs that is there', async () => {
  const blobs = new BlobStore(createMemoryStore(Date.now));
  await blobs.putBytes(Buffer.from('here'));
  await blobs.putBytes(Buffer.from('here too'));
  const presence = new PackPresence(blobs, undefined);
  const places = [
    ...[chunk('a', 'lost'), chunk('a', 'here', 7), chunk('a', 'here too', 9)],
    ...[chunk('b', 'lost', 20)],
  ];
  const usable = await presence.usable(places);
  const { digest, ...place } = chunk('a', 'here', 7);
  expect([...usable]).toEqual([[digest, place]]);
  expect(presence.lost).toEqual([digestOf(Buffer.from('lost'))]);
});
