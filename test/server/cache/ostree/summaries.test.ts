import { describe, expect, it } from 'vitest';

import { startTestCache, tempFolder, ask, type Answer } from '../tools.ts';
import { FakeRepo } from './fake-repo.ts';

interface Reader {
  readonly get: (inside: string) => Promise<Answer>;
  /** Signatures, then the summary, as clients ask. */
  readonly pair: () => Promise<readonly [string, string]>;
}

function reader(url: string, name = 'libostree/2023.8'): Reader {
  const get = (inside: string) =>
    ask(`${url}/ostree/fleet/os/${inside}`, { headers: { 'user-agent': name } });
  const text = async (inside: string): Promise<string> => {
    const { status, body } = await get(inside);
    return status === 200 ? body.toString() : String(status);
  };
  return { get, pair: async () => [await text('summary.sig'), await text('summary')] };
}

describe('a summary and its signatures', () => {
  it('are asked for each time, and cost one request while nothing changes', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const { pair } = reader((await startTestCache(repo.origin.url)).url);
    expect(await pair()).toEqual(['of one', 'one']);
    repo.asked.length = 0;
    expect(await pair()).toEqual(['of one', 'one']);
    expect(repo.asked).toEqual(['GET summary.sig']);
    repo.publish('two', 'of two');
    expect(await pair()).toEqual(['of two', 'two']);
  });

  it('belong together though the origin moves on between the two requests of the cache', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const { pair } = reader((await startTestCache(repo.origin.url)).url);
    let moves = 2;
    repo.before = (inside) => {
      if (inside !== 'summary' || moves === 0) return;
      repo.publish(`moved ${moves}`, `of moved ${moves}`);
      moves -= 1;
    };
    expect(await pair()).toEqual(['of moved 1', 'moved 1']);
  });

  it('of an origin that moves on each time are not mixed: the last are served, or none', async () => {
    const repo = await FakeRepo.start();
    let count = 0;
    const move = (inside: string): void => {
      count += 1;
      if (inside === 'summary') repo.publish(`${count}`, `of ${count}`);
    };
    repo.publish('0', 'of 0');
    repo.before = move;
    const { get, pair } = reader((await startTestCache(repo.origin.url)).url);
    expect((await get('summary.sig')).status).toBe(503);
    repo.before = undefined;
    repo.publish('still', 'of still');
    expect(await pair()).toEqual(['of still', 'still']);
    repo.before = move;
    repo.publish('again', 'of again');
    const stale = await get('summary.sig');
    expect([stale.body.toString(), stale.headers['age']]).toEqual([
      'of still',
      expect.stringMatching(/^\d+$/),
    ]);
  });

  it('belong together for a client, though the origin moves on between its two requests', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const { url } = await startTestCache(repo.origin.url);
    const [slow, other, curl] = [reader(url, 'slow'), reader(url, 'other'), reader(url, 'curl')];
    expect((await slow.get('summary.sig')).body.toString()).toBe('of one');
    repo.publish('two', 'of two');
    expect(await other.pair()).toEqual(['of two', 'two']);
    expect((await slow.get('summary')).body.toString()).toBe('one');
    // Once: whoever asks for summaries alone gets the newest.
    expect((await slow.get('summary')).body.toString()).toBe('two');
    expect((await curl.get('summary')).body.toString()).toBe('two');
  });

  it('are served together without the origin, with their age, also after a restart', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const data = await tempFolder();
    let nowMs = 1_700_000_000_000;
    const clock = (): number => nowMs;
    const cache = await startTestCache(repo.origin.url, { data }, { clock });
    expect(await reader(cache.url).pair()).toEqual(['of one', 'one']);
    repo.publish('two', 'of two');
    await repo.origin.stop();
    await cache.close();
    const again = await startTestCache(repo.origin.url, { data }, { clock });
    nowMs += 90_000;
    const { get, pair } = reader(again.url);
    expect(await pair()).toEqual(['of one', 'one']);
    expect((await get('summary.sig')).headers).toMatchObject({ age: '90', 'rivulet-age': '90' });
    expect((await get('summary')).headers).toMatchObject({ age: '90', 'rivulet-age': '90' });
    await repo.origin.start();
    nowMs += 2000;
    expect(await pair()).toEqual(['of two', 'two']);
    expect((await get('summary')).headers['age']).toBeUndefined();
  });

  it('that nobody signs: that too is remembered', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one');
    const { url } = await startTestCache(repo.origin.url);
    const { get, pair } = reader(url);
    expect(await pair()).toEqual(['404', 'one']);
    await repo.origin.stop();
    expect(await pair()).toEqual(['404', 'one']);
    expect((await get('summary.sig')).headers['age']).toMatch(/^\d+$/);
    const unknown = await ask(`${url}/ostree/fleet/other/summary.sig`);
    expect([unknown.status, unknown.headers['retry-after']]).toEqual([503, '5']);
  });

  it('are answered 304 to those who have them', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const { url } = await startTestCache(repo.origin.url);
    for (const inside of ['summary.sig', 'summary']) {
      const path = `${url}/ostree/fleet/os/${inside}`;
      const { headers } = await ask(path);
      const again = await ask(path, { headers: { 'if-none-match': headers.etag ?? '' } });
      expect([inside, again.status, again.body.length]).toEqual([inside, 304, 0]);
      expect(headers['cache-control']).toBe('public, no-cache');
      expect((await ask(path, { method: 'HEAD' })).headers['etag']).toBe(headers.etag);
    }
  });

  it('are asked for once however many want them', async () => {
    const repo = await FakeRepo.start();
    repo.publish('one', 'of one');
    const { url } = await startTestCache(repo.origin.url);
    repo.before = () => new Promise((resolve) => setTimeout(resolve, 50));
    const names = Array.from({ length: 10 }, (_, n) => reader(url, `client ${n}`));
    const pairs = await Promise.all(names.map(({ pair }) => pair()));
    expect(new Set(pairs.map(String))).toEqual(new Set(['of one,one']));
    expect(repo.asked).toEqual(['GET summary.sig', 'GET summary']);
  });
});
