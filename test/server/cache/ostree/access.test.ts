import { expect, it } from 'vitest';

import { ask, startTestCache } from '../tools.ts';
import { FakeRepo } from './fake-repo.ts';

it('whoever may pull a repository reads its files, and nobody else', async () => {
  const repo = await FakeRepo.start();
  repo.publish('one');
  const open = await startTestCache(repo.origin.url, { access: { anonymous: ['pull:fleet/*'] } });
  expect((await ask(`${open.url}/ostree/fleet/os/summary`)).status).toBe(200);
  expect((await ask(`${open.url}/ostree/other/summary`)).status).toBe(401);
  expect((await ask(`${open.url}/ostree/`)).status).toBe(401);
  const token = { authorization: 'Bearer x' };
  expect((await ask(`${open.url}/ostree/fleet/os/summary`, { headers: token })).status).toBe(401);
  const pushed = await ask(`${open.url}/ostree/fleet/os/push/missing`, { method: 'POST' });
  expect(pushed.status).toBe(405);
  const shut = await startTestCache(repo.origin.url, { access: {} });
  const asked = repo.asked.length;
  expect((await ask(`${shut.url}/ostree/fleet/os/summary`)).status).toBe(401);
  expect(repo.asked).toHaveLength(asked);
});
