import { afterEach, beforeEach, expect, it } from 'vitest';

import { OstreePlanner } from '../../../server/matrix/ostree-planner.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { batchOf, nameOf, record, sum } from '../../suites/catalog/ostree-names.ts';
import { startOriginFixture, type OriginFixture } from '../updates/origin-fixture.ts';
import { OS, PushedCommits, REF } from '../updates/ostree/pushed.ts';

const LIVE_MS = 60_000;

let origin: OriginFixture;
let pushed: PushedCommits;
let commits: OstreeChecksum[];

beforeEach(async () => {
  origin = await startOriginFixture();
  pushed = new PushedCommits(origin);
  commits = [];
  for (const version of ['0', '1', '2', '3']) commits.push(await pushed.push(version));
});

afterEach(async () => {
  await origin.close();
});

function planner(liveMs = LIVE_MS): OstreePlanner {
  const { catalog } = origin.store;
  return new OstreePlanner({
    catalog,
    matrix: { releases: 1, liveMs },
    clock: () => origin.nowMs,
  });
}

async function runs(id: string, current: OstreeChecksum, channel = REF): Promise<void> {
  const seenMs = origin.nowMs;
  await origin.store.catalog.fleet.seen({
    kind: 'ostree',
    id,
    product: OS,
    channel,
    region: '',
    current,
    seenMs,
  });
}

/** Which versions what is planned starts from. */
async function bases(): Promise<string[]> {
  const rows = await origin.store.catalog.ostreeDeltas.list({ repo: OS, limit: 100 });
  return rows
    .filter(({ state }) => state !== 'retired')
    .map(({ from }) => (from === undefined ? 'scratch' : String(commits.indexOf(from))))
    .toSorted();
}

it('plans from what live devices run that follow the ref, beside its last commits', async () => {
  await runs('a', commits[0] ?? sum(''));
  await runs('b', commits[0] ?? sum(''));
  await runs('newest', commits[3] ?? sum(''));
  await runs('elsewhere', commits[1] ?? sum(''), parseOstreeRef('os/beta'));
  await runs('foreign', sum('never pushed'));
  const half = record('commit', 'half pushed', [nameOf('dirtree', 'never came')]);
  await origin.store.catalog.ostree.addObjects(OS, batchOf(half));
  await runs('half', sum('half pushed'));
  expect(await planner().planRef(OS, REF)).toBe(3);
  expect(await bases()).toEqual(['0', '2', 'scratch']);
  expect(await planner().reconcile()).toEqual({ added: 0, retired: 0 });
});

it('retires what no device runs any more, and wants none where policy does not', async () => {
  await runs('a', commits[0] ?? sum(''));
  await planner().reconcile();
  origin.nowMs += LIVE_MS + 1;
  expect(await planner().reconcile()).toEqual({ added: 0, retired: 1 });
  expect(await bases()).toEqual(['2', 'scratch']);
  await runs('a', commits[0] ?? sum(''));
  expect(await planner(0).reconcile()).toEqual({ added: 0, retired: 0 });
  expect(await planner().reconcile()).toEqual({ added: 1, retired: 0 });
});

it('keeps what a check planned', async () => {
  const [oldest = sum('')] = commits;
  const ask = {
    kind: 'ostree' as const,
    product: OS,
    channel: REF,
    current: [{ kind: 'ostree' as const, name: OS, commit: oldest }],
    accept: ['ostree-delta' as const],
  };
  expect((await origin.checkOstree(ask)).status).toBe(204);
  expect(await bases()).toEqual(['0']);
  expect(await planner().reconcile()).toEqual({ added: 2, retired: 0 });
});
