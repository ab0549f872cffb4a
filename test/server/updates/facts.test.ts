import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ReleaseFactsReader } from '../../../server/updates/facts.ts';
import { ImageReader } from '../../../server/updates/images.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { parseRepoName, parseTag } from '../../../storage/names.ts';
import { pushImage, pushIndex } from '../sample-image.ts';
import { REPO, STABLE, startOriginFixture, type OriginFixture } from './origin-fixture.ts';
import { named } from './sample.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM = { os: 'linux', architecture: 'arm', variant: 'v7' };

let origin: OriginFixture;
let broken: Digest[];
let facts: ReleaseFactsReader;

beforeEach(async () => {
  origin = await startOriginFixture();
  broken = [];
  facts = new ReleaseFactsReader({
    catalog: origin.store.catalog,
    images: new ImageReader(origin.store.blobs),
    clock: () => origin.nowMs,
    onBroken: (_release, { digest }) => {
      broken.push(digest);
    },
  });
});

afterEach(async () => {
  await origin.close();
});

/** Pushes both platforms of a version and returns them. */
async function release(version: string) {
  const push = (platform: typeof AMD64) =>
    pushImage(origin.target, platform, [
      { base: Buffer.from('base') },
      { app: Buffer.from(version) },
    ]);
  const images = [await push(AMD64), await push(ARM)] as const;
  return { images, index: await pushIndex(origin.target, images, STABLE) };
}

it('tells platforms, sizes and layers of each channel', async () => {
  const { images, index } = await release('one');
  const all = await facts.all();
  expect(all).toMatchObject([
    { product: 'demo/app', channel: 'stable', digest: index, pushedMs: origin.nowMs },
  ]);
  expect(all).toEqual([await facts.channel(REPO, STABLE)]);
  const platforms = all[0]?.platforms ?? [];
  expect(platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm/v7']);
  expect(platforms.map(({ manifest }) => manifest)).toEqual(
    images.map(({ digest, size }) => ({ digest, size })),
  );
  expect(platforms[0]?.layers).toHaveLength(2);
  for (const { size } of platforms[0]?.layers ?? []) expect(size).toBeGreaterThan(0);
  expect(await facts.channel(REPO, parseTag('none'))).toBeUndefined();
});

it('counts releases upwards, also when a tag goes back', async () => {
  const first = await release('one');
  const counter = async () => (await facts.channel(REPO, STABLE))?.releaseCounter ?? 0;
  const one = await counter();
  await release('two');
  const two = await counter();
  await pushIndex(origin.target, first.images, STABLE);
  const three = await counter();
  expect([one < two, two < three]).toEqual([true, true]);
  expect((await facts.channel(REPO, STABLE))?.digest).toBe(first.index);
  await origin.store.catalog.repositories.deleteTag(REPO, STABLE);
  expect(await facts.channel(REPO, STABLE)).toBeUndefined();
});

it('tells of chunks once a layer has them', async () => {
  await release('one');
  const { layers } = origin.store.catalog;
  const layer = async () => (await facts.channel(REPO, STABLE))?.platforms[0]?.layers[0];
  const pushed = await layer();
  if (pushed === undefined) throw new Error('no layer');
  expect(pushed.index).toBeUndefined();
  await layers.ensure(pushed.digest, 'application/vnd.oci.image.layer.v1.tar+gzip');
  expect((await layer())?.index).toBeUndefined();
  const claim = await layers.claim('test', 60_000);
  if (claim === undefined) throw new Error('nothing to claim');
  expect((await layer())?.index).toBeUndefined();
  const index = { digest: named('index'), size: 50 };
  const { diffId } = pushed;
  await layers.finish(pushed.digest, claim.lease, {
    diffId,
    rawSize: 1,
    index,
    newChunks: [],
    packs: [],
  });
  expect(await layer()).toMatchObject({ diffId, rawSize: 1, index });
  expect(await layer()).toMatchObject({ index });
});

describe('deltas', () => {
  const pair = (to: Digest, tag = STABLE) => ({
    repo: REPO,
    tag,
    platform: 'linux/amd64',
    from: named('v0'),
    to,
  });
  const platform = async () => {
    const found = (await facts.channel(REPO, STABLE))?.platforms[0];
    return { building: found?.building, deltas: found?.deltas.map(({ size }) => size) };
  };

  it('are not waited for once no builder cares', async () => {
    const { images } = await release('one');
    await origin.store.catalog.deltas.ensure([pair(images[0].digest)], 0);
    origin.nowMs += 29 * 60_000;
    expect((await platform()).building).toEqual([named('v0')]);
    origin.nowMs += 2 * 60_000;
    expect((await platform()).building).toEqual([]);
  });

  it('are building, then there; the smallest counts, whichever tag planned it', async () => {
    const { images } = await release('one');
    const { deltas } = origin.store.catalog;
    await deltas.ensure([pair(images[0].digest), pair(images[0].digest, parseTag('other'))], 0);
    expect(await platform()).toEqual({ building: [named('v0')], deltas: [] });
    for (const size of [20, 10]) {
      const claim = await deltas.claim('test', 60_000);
      if (claim === undefined) throw new Error('nothing to claim');
      const digest = named(`delta-${size}`);
      const costs = { fullSize: 100, ramBytes: 1, buildMs: 1, applyMs: 1, codecs: {} };
      await deltas.publish(claim.delta.id, claim.lease, { digest, size, ...costs });
      expect(await platform()).toEqual({ building: [], deltas: [size] });
    }
  });
});

describe('a broken image', () => {
  it('is left out and told once; other repositories and platforms stay', async () => {
    const { images } = await release('one');
    const { blobs, repositories } = origin.target;
    const repo = parseRepoName('broken/app');
    const bytes = Buffer.from('{"schemaVersion":2');
    await blobs.putBytes(bytes);
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const row = { digest: digestOf(bytes), mediaType, size: bytes.length };
    await repositories.putManifest(repo, row, [], STABLE);
    const found = await facts.all();
    expect(found.map(({ product }) => product)).toEqual(['demo/app']);
    expect(broken).toEqual([digestOf(bytes)]);
    await facts.all();
    expect(broken).toHaveLength(1);

    const config = found[0]?.platforms[1]?.config.digest;
    if (config === undefined) throw new Error('no second platform');
    await blobs.delete(config);
    const fresh = new ReleaseFactsReader({
      catalog: origin.store.catalog,
      images: new ImageReader(origin.store.blobs),
      clock: () => origin.nowMs,
      onBroken: (_release, { digest }) => {
        broken.push(digest);
      },
    });
    const left = (await fresh.channel(REPO, STABLE))?.platforms.map(({ platform }) => platform);
    expect(left).toEqual(['linux/amd64']);
    expect(broken).toContain(images[1].digest);
  });
});

it('serves them with a strong ETag that changes with them', async () => {
  await release('one');
  const url = `${origin.server.url}/v1/releases`;
  const first = await fetch(url);
  const etag = first.headers.get('etag') ?? '';
  expect(etag).toMatch(/^"[^"]+"$/);
  await first.arrayBuffer();
  const again = await fetch(url, { headers: { 'if-none-match': etag } });
  expect(again.status).toBe(304);
  await release('two');
  const changed = await fetch(url, { headers: { 'if-none-match': etag } });
  expect(changed.status).toBe(200);
  expect(changed.headers.get('etag')).not.toBe(etag);
  await changed.arrayBuffer();
});
