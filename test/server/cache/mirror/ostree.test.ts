import { expect, test } from 'vitest';

import type { OstreeFacts } from '../../../../delta/agent/ostree-protocol.ts';
import { deltaIndexPath, deltaPath } from '../../../../delta/ostree/checksum-base64.ts';
import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { objectPath } from '../../../../delta/ostree/objects/object-name.ts';
import type { MirrorStatus } from '../../../../server/cache/mirror/status.ts';
import { answerJson } from '../origin.ts';
import { A, addDelta, B, COMMIT, publishIndex, TO } from '../ostree/fake-delta.ts';
import { FakeRepo } from '../ostree/fake-repo.ts';
import { ask, startTestCache, statusOf, until } from '../tools.ts';

const REF = 'os/x86_64/stable';

function factsOf(froms: readonly (Checksum | undefined)[]): OstreeFacts {
  const delta = { superblockBytes: 500, partBytes: 70_000, fallbackBytes: 0, requests: 2 };
  return {
    product: 'fleet/os',
    channel: REF,
    releaseCounter: 2,
    commit: TO,
    movedMs: 1,
    whole: { bytes: 100, requests: 2 },
    steps: froms.map((from) => ({ from, objects: { bytes: 100, requests: 2 }, delta })),
    building: [],
  };
}

/** A repository with deltas from two commits and from scratch, and who tells of it. */
async function startRepo(): Promise<FakeRepo> {
  const repo = await FakeRepo.start();
  const deltas = [undefined, A, B].map((from) => addDelta(repo, from));
  publishIndex(repo, deltas);
  repo.publish('one', 'of one');
  repo.files.set(objectPath({ kind: 'commit', checksum: TO }), COMMIT);
  repo.files.set('config', Buffer.from('[core]'));
  repo.files.set(`refs/heads/${REF}`, Buffer.from(TO));
  const answer = repo.origin.intercept;
  repo.origin.intercept = (x) => {
    if (x.path === '/v1/check') x.res.writeHead(204, { 'rivulet-reason': 'no_release' }).end();
    else if (x.path !== '/v1/releases') return answer?.(x) ?? false;
    else {
      const ostree = { refs: [factsOf([undefined, A, B])], complete: true };
      answerJson(x, { releases: [], ostree });
    }
    return true;
  };
  return repo;
}

async function checkAs(url: string, commit: Checksum): Promise<void> {
  const current = [{ kind: 'ostree', name: 'fleet/os', commit }];
  const accept = ['ostree-delta', 'ostree-objects'];
  const { status } = await ask(`${url}/v1/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'rivulet-device': 'gate-7' },
    body: JSON.stringify({ kind: 'ostree', product: 'fleet/os', channel: REF, current, accept }),
  });
  expect(status).toBe(204);
}

async function untilMirrored(url: string, count: number): Promise<void> {
  await until(async () => {
    const mirror = (await statusOf(url))['mirror'] as MirrorStatus;
    return mirror.here.count === count && mirror.lacking.count === 0;
  });
}

test('a ref that the policy names is there before anybody pulls, with the deltas of what lives here', async () => {
  const repo = await startRepo();
  const rule = { repositories: 'fleet/*', tags: 'os/*/stable', fromScratch: false };
  const options = { mirror: [{ ...rule, what: ['ostree'] as const }], refreshMs: 50 };
  const { url } = await startTestCache(repo.origin.url, options);
  await untilMirrored(url, 1);
  await checkAs(url, A);
  const deltas = [undefined, A, B].map((from) => deltaPath({ delta: { from, to: TO }, file: 0 }));
  const [scratch = '', fromA = '', fromB = ''] = deltas;
  await until(() => repo.asked.some((line) => line.includes(fromA)));
  await untilMirrored(url, 1);
  // Nothing is new: nothing is asked.
  const asked = repo.asked.length;
  const seen = repo.origin.seen.length;
  await until(() => repo.origin.seen.length > seen + 3);
  expect(repo.asked.length).toBe(asked);
  expect(repo.asked.some((line) => line.includes(scratch) || line.includes(fromB))).toBe(false);

  await repo.origin.stop();
  const commit = objectPath({ kind: 'commit', checksum: TO });
  for (const inside of [
    ...['summary.sig', 'summary', 'config', `refs/heads/${REF}`, commit, deltaIndexPath(TO)],
    ...[deltaPath({ delta: { from: A, to: TO }, file: 'superblock' }), fromA],
  ]) {
    expect((await ask(`${url}/ostree/fleet/os/${inside}`)).status, inside).toBe(200);
  }
  expect((await ask(`${url}/ostree/fleet/os/${fromB}`)).status).toBe(503);
});

test('from scratch as well, where the rule says so; nothing of other refs', async () => {
  const repo = await startRepo();
  const rule = { repositories: 'fleet/*', what: ['ostree'] as const, fromScratch: true };
  const other = await startTestCache(repo.origin.url, {
    mirror: [{ ...rule, tags: 'os/*/edge' }],
    refreshMs: 50,
  });
  await until(() => repo.origin.seen.length > 3);
  await untilMirrored(other.url, 0);
  expect(repo.asked).toEqual([]);
  const { url } = await startTestCache(repo.origin.url, {
    mirror: [{ ...rule, tags: '**' }],
    refreshMs: 50,
  });
  await untilMirrored(url, 1);
  await repo.origin.stop();
  const part = deltaPath({ delta: { from: undefined, to: TO }, file: 0 });
  expect((await ask(`${url}/ostree/fleet/os/${part}`)).status).toBe(200);
});
