import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

import { spawnTypescript } from '../../../support/typescript-child.ts';
import { ask, MIB, noise, startTestCache, tempFolder, until } from '../tools.ts';
import { FakeRepo } from './fake-repo.ts';

const PART = `deltas/ab/${'A'.repeat(41)}/0`;
const FILEZ = `objects/ab/${'c'.repeat(62)}.filez`;

test('kill -9 of a cache in mid-fill: the next run goes on with what it had', async () => {
  const repo = await FakeRepo.start();
  const part = noise(12 * MIB);
  repo.files.set(PART, part);
  repo.files.set(FILEZ, noise(5000));
  const data = await tempFolder();
  const child = spawnTypescript(join(import.meta.dirname, 'cache-child.ts'), [
    repo.origin.url,
    data,
  ]);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  await ask(`${url}/ostree/fleet/os/${FILEZ}`);
  repo.pauseMs = 15;
  const reading = ask(`${url}/ostree/fleet/os/${PART}`).then(
    () => 'whole',
    () => 'broken',
  );
  await until(() => repo.sent > 8 * MIB);
  child.kill('SIGKILL');
  expect(await reading).toBe('broken');

  repo.sent = 0;
  repo.pauseMs = 0;
  const cache = await startTestCache(repo.origin.url, { data });
  expect((await ask(`${cache.url}/ostree/fleet/os/${PART}`)).body.equals(part)).toBe(true);
  expect(repo.sent).toBeGreaterThan(MIB);
  expect(repo.sent).toBeLessThan(part.length - MIB);
  expect((await ask(`${cache.url}/ostree/fleet/os/${FILEZ}`)).body.length).toBe(5000);
});
