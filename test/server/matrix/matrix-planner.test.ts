import { afterEach, beforeEach, expect, it } from 'vitest';

import { MatrixPlanner } from '../../../server/matrix/matrix-planner.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { ImageReader } from '../../../server/updates/images.ts';
import type { Digest } from '../../../storage/digest.ts';
import { parseTag } from '../../../storage/names.ts';
import {
  AMD64,
  openMatrixFixture,
  pushRelease,
  REPO,
  STABLE,
  type MatrixFixture,
} from './matrix-fixture.ts';
import { named } from '../updates/sample.ts';

let fixture: MatrixFixture;
let planner: MatrixPlanner;

beforeEach(async () => {
  fixture = await openMatrixFixture();
  planner = newPlanner();
});

afterEach(async () => {
  await fixture.close();
});

function newPlanner(): MatrixPlanner {
  return new MatrixPlanner({
    catalog: fixture.store.catalog,
    images: new ImageReader(fixture.store.blobs),
    matrix: { releases: 2, liveMs: 60_000 },
    logger: createLogger('silent'),
    clock: Date.now,
  });
}

/** `from>to` of rows that are not retired, by platform. */
async function pairs(platform: string): Promise<string[]> {
  const rows = await fixture.store.catalog.deltas.list({ platform, limit: 1000 });
  return rows
    .filter(({ state }) => state !== 'retired')
    .map(({ from, to }) => `${from}>${to}`)
    .toSorted();
}

async function runs(device: string, current: Digest | undefined): Promise<void> {
  await fixture.store.catalog.fleet.seen({
    kind: 'oci',
    id: device,
    product: REPO,
    channel: STABLE,
    platform: 'linux/amd64',
    region: '',
    current,
    seenMs: Date.now(),
  });
}

it('wants the releases before the current one, platform by platform, and their layers chunked', async () => {
  const versions = [];
  for (const version of ['1', '2', '3', '4']) versions.push(await pushRelease(fixture, version));
  expect(await planner.reconcile()).toEqual({ added: 4, retired: 0 });
  for (const [place, platform] of ['linux/amd64', 'linux/arm64'].entries()) {
    const [, two, three, four] = versions.map((images) => images[place]?.digest ?? '');
    expect(await pairs(platform)).toEqual([`${two}>${four}`, `${three}>${four}`].toSorted());
  }
  // One base layer, which both platforms share, and an application each for three releases.
  expect((await fixture.store.catalog.layers.counts()).pending).toBe(1 + 2 * 3);
  expect(await planner.reconcile()).toEqual({ added: 0, retired: 0 });
});

it('plans one tag alone, for a push that wants to be answered', async () => {
  await pushRelease(fixture, '1');
  expect(await planner.planTag(REPO, STABLE)).toBe(0);
  await pushRelease(fixture, '2');
  expect(await planner.planTag(REPO, STABLE)).toBe(2);
  expect(await planner.planTag(REPO, parseTag('none'))).toBe(0);
});

it('retires what the next release makes useless, and keeps versions that devices run', async () => {
  const [one] = await pushRelease(fixture, '1');
  const [two] = await pushRelease(fixture, '2');
  if (one === undefined || two === undefined) throw new Error('no image');
  await planner.reconcile();
  await pushRelease(fixture, '3');
  await pushRelease(fixture, '4');
  const [five] = await pushRelease(fixture, '5');
  await runs('device', one.digest);
  await runs('odd', named('never pushed'));
  await runs('new', undefined);
  expect(await planner.reconcile()).toEqual({ added: 5, retired: 2 });
  expect(await pairs('linux/amd64')).toHaveLength(3);
  expect(await pairs('linux/amd64')).toContain(`${one.digest}>${five?.digest ?? ''}`);
  expect(await pairs('linux/arm64')).toHaveLength(2);

  await runs('device', five?.digest);
  expect(await planner.reconcile()).toEqual({ added: 0, retired: 1 });
});

it('retires all of a tag that is gone', async () => {
  await pushRelease(fixture, '1');
  await pushRelease(fixture, '2');
  await planner.reconcile();
  await fixture.store.catalog.repositories.deleteTag(REPO, STABLE);
  expect(await planner.reconcile()).toEqual({ added: 0, retired: 2 });
});

it('retires nothing of a tag that it cannot read, and plans the others', async () => {
  await pushRelease(fixture, '1');
  const [two] = await pushRelease(fixture, '2');
  await planner.reconcile();
  if (two === undefined) throw new Error('no image');
  await fixture.store.blobs.delete(two.digest);
  const other = { ...fixture, target: { ...fixture.target, repo: parseTag('other') as never } };
  await pushRelease(other, '1', { platforms: [AMD64] });
  await pushRelease(other, '3', { platforms: [AMD64] });
  // A reader of its own: the other one remembers the image.
  expect(await newPlanner().reconcile()).toEqual({ added: 1, retired: 0 });
});
