import { afterEach, beforeEach, expect, it } from 'vitest';

import type { ReleasesResponse } from '../../../../delta/agent/protocol.ts';
import { OstreeFactsReader } from '../../../../server/updates/ostree/facts.ts';
import { ostreeReleases } from '../../../../server/updates/ostree/releases.ts';
import { parseOstreeRef } from '../../../../storage/ostree/ref-name.ts';
import { startOriginFixture, type OriginFixture } from '../origin-fixture.ts';
import { OS, PushedCommits, REF } from './pushed.ts';

let origin: OriginFixture;
let pushed: PushedCommits;
let facts: OstreeFactsReader;

beforeEach(async () => {
  origin = await startOriginFixture();
  pushed = new PushedCommits(origin);
  const { blobs, catalog } = origin.store;
  facts = new OstreeFactsReader({ blobs, catalog, clock: () => origin.nowMs });
});

afterEach(async () => {
  await origin.close();
});

it('tells every ref with its ways, as the contract has it', async () => {
  const beta = parseOstreeRef('os/x86_64/beta');
  const old = await pushed.push('one');
  await pushed.push('beta', beta);
  const current = await pushed.push('two');
  const { ostreeDeltas } = origin.store.catalog;
  const pair = { repo: OS, ref: REF, to: current };
  await ostreeDeltas.ensure([{ ...pair, from: undefined }], 0);
  await pushed.build();
  await ostreeDeltas.ensure([{ ...pair, from: old }], 0);
  const response = await fetch(`${origin.server.url}/v1/releases`);
  const body: unknown = await response.json();
  expect(origin.contract.faults('ReleasesResponse', body)).toEqual([]);
  const { ostree, releases } = body as ReleasesResponse;
  expect(releases).toEqual([]);
  expect(ostree?.complete).toBe(true);
  expect(ostree?.refs).toEqual([await facts.ref(OS, REF), await facts.ref(OS, beta)]);
  const [main] = ostree?.refs ?? [];
  expect(main).toMatchObject({ commit: current, movedMs: origin.nowMs, building: [old] });
  expect(main?.steps).toHaveLength(1);
  expect(main?.steps[0]?.objects).toEqual(main?.whole);
  expect(main?.steps[0]?.delta?.partBytes).toBeGreaterThan(60_000);
  const etag = response.headers.get('etag') ?? '';
  const again = await fetch(`${origin.server.url}/v1/releases`, {
    headers: { 'if-none-match': etag },
  });
  expect(again.status).toBe(304);
});

it('has no patience with a build that nobody touches', async () => {
  const old = await pushed.push('one');
  const to = await pushed.push('two');
  await origin.store.catalog.ostreeDeltas.ensure([{ repo: OS, ref: REF, from: old, to }], 0);
  expect((await facts.ref(OS, REF))?.building).toEqual([old]);
  origin.nowMs += 3_600_000;
  expect((await facts.ref(OS, REF))?.building).toEqual([]);
});

it('measures a few new refs for each answer, and says that there are more', async () => {
  for (let n = 0; n < 20; n += 1) {
    await pushed.push(`version ${n}`, parseOstreeRef(`os/ref${n}`));
  }
  const counts: [number, boolean][] = [];
  for (let asked = 0; asked < 3; asked += 1) {
    const { catalog } = origin.store;
    const { refs, complete } = await ostreeReleases({ catalog, facts });
    counts.push([refs.length, complete]);
  }
  expect(counts).toEqual([
    [8, false],
    [16, false],
    [20, true],
  ]);
});

it('what an applied update spared is counted from what the repository holds', async () => {
  const old = await pushed.push('one');
  const to = await pushed.push('two');
  const step = await facts.pullBytes(OS, old, to);
  const whole = await facts.pullBytes(OS, undefined, to);
  expect(step).toBeLessThan(whole ?? 0);
  await origin.store.catalog.ostree.deleteRef(OS, REF);
  expect(await facts.pullBytes(OS, old, to)).toBe(step);
});
