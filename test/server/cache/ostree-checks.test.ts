import { describe, expect, test } from 'vitest';

import { deltaIndexPath, deltaPath } from '../../../delta/ostree/checksum-base64.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import type { OstreeDecision, OstreeReleases } from '../../../delta/agent/ostree-protocol.ts';
import { DEVICE_HEADER, REASON_HEADER } from '../../../delta/agent/protocol.ts';
import { sampleAsk, sampleFacts } from '../updates/sample.ts';
import { DELTA, ostreeAsk, ostreeFacts } from '../updates/ostree/sample.ts';
import { answerJson } from './origin.ts';
import { A, addDelta, B, publishIndex, TO } from './ostree/fake-delta.ts';
import { FakeRepo } from './ostree/fake-repo.ts';
import { ask, startOrigin, startTestCache, statusOf, until, type Answer } from './tools.ts';

function check(url: string, body: unknown): Promise<Answer> {
  return ask(`${url}/v1/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [DEVICE_HEADER]: 'gate-1' },
    body: JSON.stringify(body),
  });
}

/** A cache that has heard an origin's releases, and is alone since. */
async function aloneWith(ostree: OstreeReleases | undefined) {
  const origin = await startOrigin();
  origin.intercept = (x) => {
    if (x.path !== '/v1/releases') return false;
    answerJson(x, { releases: [sampleFacts()], ...(ostree !== undefined && { ostree }) });
    return true;
  };
  const cache = await startTestCache(origin.url);
  await until(async () => (await statusOf(cache.url))['ageSeconds'] === 0);
  await origin.stop();
  return { origin, cache };
}

describe('checks of OSTree refs without the origin', () => {
  test('are decided from its last word, with the cache first', async () => {
    const { origin, cache } = await aloneWith({ refs: [ostreeFacts()], complete: true });
    const { status, headers, body } = await check(cache.url, ostreeAsk('c1'));
    expect([status, headers['rivulet-age']]).toEqual([200, expect.stringMatching(/^\d+$/)]);
    const { plans, repositories, target } = JSON.parse(body.toString()) as OstreeDecision;
    expect(target).toMatchObject({ commit: ostreeFacts().commit, releaseCounter: 7 });
    // Of the delta nothing is here.
    expect(plans.map(({ kind }) => kind)).toEqual(['ostree-objects']);
    expect(repositories).toEqual([cache.url, origin.url].map((url) => `${url}/ostree/fleet/os`));
    const none = await check(cache.url, ostreeAsk('c1', { channel: 'os/none' }));
    expect([none.status, none.headers[REASON_HEADER]]).toEqual([204, 'no_release']);
  });

  test('offer a static delta only once all of it is here', async () => {
    const repo = await FakeRepo.start();
    const [delta, other] = [addDelta(repo, A), addDelta(repo, B)];
    publishIndex(repo, [delta, other]);
    const objects = { bytes: 7000, requests: 20 };
    const froms = [A, B].map((from) => ({ from, objects, delta: DELTA }));
    const steps = [{ objects, delta: DELTA }, ...froms];
    const answerFile = repo.origin.intercept;
    repo.origin.intercept = (x) => {
      if (x.path !== '/v1/releases') return answerFile?.(x) ?? false;
      answerJson(x, {
        releases: [],
        ostree: { refs: [ostreeFacts({ commit: TO, steps })], complete: true },
      });
      return true;
    };
    const cache = await startTestCache(repo.origin.url);
    /** As the origin has it now, once the cache has noticed that it is back. */
    const get = (inside: string, wanted = 200): Promise<void> =>
      until(async () => {
        const { status, headers } = await ask(`${cache.url}/ostree/fleet/os/${inside}`);
        return status === wanted && headers.age === undefined;
      });
    const offered = async (from: Checksum | undefined): Promise<readonly string[]> => {
      await repo.origin.stop();
      const current =
        from === undefined ? [] : [{ kind: 'ostree' as const, name: 'fleet/os', commit: from }];
      const { status, body } = await check(cache.url, ostreeAsk(undefined, { current }));
      expect(status).toBe(200);
      await repo.origin.start();
      return (JSON.parse(body.toString()) as OstreeDecision).plans.map(({ kind }) => kind);
    };
    await until(async () => (await statusOf(cache.url))['ageSeconds'] === 0);
    expect(await offered(A)).toEqual(['ostree-objects']);
    await get(deltaIndexPath(TO));
    await get(deltaPath({ delta, file: 'superblock' }));
    expect(await offered(A)).toEqual(['ostree-objects']);
    await get(deltaPath({ delta, file: 0 }));
    expect(await offered(A)).toEqual(['ostree-delta', 'ostree-objects']);
    expect(await offered(B)).toEqual(['ostree-objects']);
    expect(await offered(undefined)).toEqual(['ostree-objects']);
    // With a new signature the superblock comes with the index, and the part stays.
    addDelta(repo, A, { signed: 'by another' });
    publishIndex(repo, [delta]);
    await get(deltaIndexPath(TO));
    expect(await offered(A)).toEqual(['ostree-delta', 'ostree-objects']);
    repo.files.delete(deltaIndexPath(TO));
    await get(deltaIndexPath(TO), 404);
    expect(await offered(A)).toEqual(['ostree-objects']);
  });

  test('a ref that the origin did not tell may exist: the device asks elsewhere', async () => {
    const { cache } = await aloneWith({ refs: [ostreeFacts()], complete: false });
    expect((await check(cache.url, ostreeAsk('c1'))).status).toBe(200);
    expect((await check(cache.url, ostreeAsk('c1', { channel: 'os/other' }))).status).toBe(503);
  });

  test('an origin that tells nothing of OSTree is as good as before for images', async () => {
    const { cache } = await aloneWith(undefined);
    expect((await check(cache.url, ostreeAsk('c1'))).status).toBe(503);
    expect((await check(cache.url, sampleAsk('v1'))).status).toBe(200);
  });
});

test('checks and reports of OSTree refs go to the origin as they are; hostile ones end here', async () => {
  const origin = await startOrigin();
  const bodies: string[] = [];
  origin.intercept = async (x) => {
    if (x.req.method !== 'POST') return false;
    let body = '';
    for await (const part of x.req) body += (part as Buffer).toString();
    bodies.push(body);
    x.res.writeHead(204, { [REASON_HEADER]: 'no_plan' }).end();
    return true;
  };
  const cache = await startTestCache(origin.url);
  const answer = await check(cache.url, ostreeAsk('c1'));
  expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([204, 'no_plan']);
  expect(JSON.parse(bodies[0] ?? '')).toEqual(ostreeAsk('c1'));
  expect((await check(cache.url, ostreeAsk('c1', { channel: '../x' }))).status).toBe(400);
  const report = await ask(`${cache.url}/v1/decisions/${'0'.repeat(32)}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [DEVICE_HEADER]: 'gate-1' },
    body: JSON.stringify({
      kind: 'ostree',
      decision: { product: 'fleet/os', channel: 'os/x', to: ostreeFacts().commit },
      events: [{ seq: 1, type: 'healthy', atMs: 1 }],
    }),
  });
  expect(report.status).toBe(204);
  expect(bodies).toHaveLength(2);
});
