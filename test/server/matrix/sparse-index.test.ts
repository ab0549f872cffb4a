import { afterEach, beforeEach, expect, it } from 'vitest';

import { MatrixPlanner } from '../../../server/matrix/matrix-planner.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { ReleaseFactsReader } from '../../../server/updates/facts.ts';
import { ImageReader } from '../../../server/updates/images.ts';
import { MEDIA_TYPES, type Descriptor } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { parseRepoName } from '../../../storage/names.ts';
import { pushImage, pushIndex } from '../sample-image.ts';
import {
  AMD64,
  ARM64,
  openMatrixFixture,
  REPO,
  STABLE,
  type MatrixFixture,
} from './matrix-fixture.ts';

const OTHER = parseRepoName('elsewhere');

let fixture: MatrixFixture;
let nowMs: number;
let left: Digest[];
let planner: MatrixPlanner;
let facts: ReleaseFactsReader;

beforeEach(async () => {
  fixture = await openMatrixFixture();
  nowMs = 1000;
  left = [];
  const { catalog, blobs } = fixture.store;
  const clock = () => nowMs;
  const images = new ImageReader(blobs, 100, clock);
  const logger = createLogger('silent');
  planner = new MatrixPlanner({
    catalog,
    images,
    matrix: { releases: 2, liveMs: 0 },
    logger,
    clock,
  });
  facts = new ReleaseFactsReader({
    catalog,
    images,
    clock,
    onBroken: (_release, { digest }) => left.push(digest),
  });
});

afterEach(() => fixture.close());

const push = (version: string, platform: typeof AMD64, repo = REPO) =>
  pushImage({ ...fixture.target, repo }, platform, [
    { app: Buffer.from(`${version} ${platform.architecture}`) },
  ]);

const platforms = async () =>
  (await facts.channel(REPO, STABLE))?.platforms.map(({ platform }) => platform);

async function pairs(): Promise<string[]> {
  const rows = await fixture.store.catalog.deltas.list({ limit: 100 });
  return rows.filter(({ state }) => state !== 'retired').map(({ platform }) => platform);
}

/** An image that an index names and nobody pushed. */
function ghost(): Descriptor {
  const digest = digestOf(Buffer.from('ghost'));
  return { mediaType: MEDIA_TYPES.ociManifest, digest, size: 500, platform: ARM64 };
}

it('leaves out a platform that was never pushed, once with a warning, and plans the others', async () => {
  await pushIndex(fixture.target, [await push('1', AMD64), await push('1', ARM64)], STABLE);
  await pushIndex(fixture.target, [await push('2', AMD64), ghost()], STABLE);
  expect(await planner.reconcile()).toEqual({ added: 1, retired: 0 });
  expect(await pairs()).toEqual(['linux/amd64']);
  expect(await platforms()).toEqual(['linux/amd64']);
  expect(await platforms()).toEqual(['linux/amd64']);
  expect(left).toEqual([ghost().digest]);
});

it('goes on retiring what a tag with an absent platform wants no more', async () => {
  for (const version of ['1', '2', '3', '4']) {
    await pushIndex(fixture.target, [await push(version, AMD64), ghost()], STABLE);
    await planner.reconcile();
  }
  expect(await pairs()).toHaveLength(2);
});

it('takes a platform up when it comes', async () => {
  const later = await push('1', ARM64, OTHER);
  await pushIndex(fixture.target, [await push('1', AMD64), later], STABLE);
  // Another repository has it: that gives nothing to this one.
  expect(await platforms()).toEqual(['linux/amd64']);
  await push('1', ARM64);
  expect(await platforms()).toEqual(['linux/amd64', 'linux/arm64']);
});

it('asks the store for an absent child now and then, not with every check', async () => {
  await pushIndex(fixture.target, [await push('1', AMD64), ghost()], STABLE);
  const { blobs } = fixture.store;
  let asked = 0;
  const stat = blobs.stat.bind(blobs);
  blobs.stat = (digest, options) => {
    asked += 1;
    return stat(digest, options);
  };
  for (let i = 0; i < 20; i += 1) await platforms();
  const once = asked;
  expect(once).toBe(2);
  nowMs += 6000;
  await platforms();
  expect(asked).toBe(2 * once);
});

it('offers no image that lacks a layer, and does not try to chunk it', async () => {
  const image = await push('1', AMD64);
  const { repositories, layers } = fixture.store.catalog;
  await pushIndex(fixture.target, [image, await push('1', ARM64)], STABLE);
  const children = await repositories.children(REPO, image.digest);
  const layer = children.find(({ kind }) => kind === 'layer')?.digest ?? image.digest;
  await repositories.unlinkBlob(REPO, layer);
  await fixture.store.blobs.delete(layer);
  expect(await platforms()).toEqual(['linux/arm64']);
  await planner.reconcile();
  expect(await layers.get(layer)).toBeUndefined();
  expect((await layers.counts()).pending).toBe(1);
});
