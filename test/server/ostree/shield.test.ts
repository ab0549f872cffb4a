import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { HttpServer } from '../../../server/http/http-server.ts';
import { deltaWorkMs, objectsIn } from '../../../server/ostree/delta-work.ts';
import { DeltaShield, type ShieldOptions } from '../../../server/ostree/shield.ts';
import { parseRepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { serve } from '../http/rig.ts';

const REPO = parseRepoName('fleet/os');
const OLD = 'libostree/2022.7 libcurl/7.88.1';
const QUIET_MS = 1500;
const [OBJECT, FALLBACK] = [
  parseOstreeChecksum('a'.repeat(64)),
  parseOstreeChecksum('b'.repeat(64)),
];

/** Timers that the test lets run out. */
class Timers {
  readonly #running = new Map<number, { readonly ms: number; readonly then: () => void }>();
  #next = 0;

  readonly start = (ms: number, then: () => void): { stop(): void } => {
    const id = this.#next++;
    this.#running.set(id, { ms, then });
    return { stop: () => this.#running.delete(id) };
  };

  /** How many of that length run. */
  count(ms: number): number {
    return [...this.#running.values()].filter((timer) => timer.ms === ms).length;
  }

  fire(ms: number): void {
    for (const [id, timer] of [...this.#running]) {
      if (timer.ms !== ms) continue;
      this.#running.delete(id);
      timer.then();
    }
  }
}

const MAX_MS = 60_000;

describe('the shield for old clients', () => {
  let timers: Timers;
  let shield: DeltaShield;
  let server: HttpServer;
  /** Ends the answers of delta requests. */
  let finish: (() => void)[];

  async function start(options: ShieldOptions = {}): Promise<void> {
    timers = new Timers();
    finish = [];
    shield = new DeltaShield({
      clock: () => 0,
      startTimer: timers.start,
      quietMs: QUIET_MS,
      maxHoldMs: MAX_MS,
      ...options,
    });
    server = await serve({
      routes: [
        async (x) => {
          const repo = x.query.get('repo') === 'other' ? parseRepoName('fleet/other') : REPO;
          if (x.path === '/delta') {
            shield.watch(x, repo);
            shield.describe(x, repo, { fallbacks: new Set([FALLBACK]), contentBytes: 0 });
            finish.push(() => x.res.end('delta'));
            return new Promise((resolve) => {
              x.res.once('close', () => {
                resolve(true);
              });
            });
          }
          await shield.hold(x, repo, x.path === '/fallback' ? FALLBACK : OBJECT);
          x.res.end('object');
          return true;
        },
      ],
    });
  }

  beforeEach(() => start());
  afterEach(() => server.close(0));

  function get(path: string, agent = OLD) {
    let answered = false;
    const asked = request(`${server.url}${path}`, {
      headers: { 'user-agent': agent },
      agent: false,
    });
    const done = new Promise<string>((resolve, reject) => {
      asked.on('error', reject).on('response', (response) => {
        response
          .on('data', () => undefined)
          .on('end', () => {
            answered = true;
            resolve('answered');
          });
      });
    });
    done.catch(() => undefined);
    asked.end();
    return { done, isAnswered: () => answered, leave: () => asked.socket?.resetAndDestroy() };
  }

  async function settled(check: () => boolean): Promise<void> {
    await expect.poll(check, { interval: 5, timeout: 5000 }).toBe(true);
  }

  it('holds objects while a delta is on its way, and for a quiet moment after', async () => {
    const delta = get('/delta');
    await settled(() => finish.length === 1);
    const object = get('/object');
    await settled(() => shield.holds === 1);
    finish[0]?.();
    await delta.done;
    await settled(() => timers.count(QUIET_MS) === 1);
    expect(object.isAnswered()).toBe(false);
    // The next part begins within the quiet moment, which begins again after it.
    const next = get('/delta');
    await settled(() => finish.length === 2);
    expect(timers.count(QUIET_MS)).toBe(0);
    finish[1]?.();
    await next.done;
    await settled(() => timers.count(QUIET_MS) === 1);
    expect(object.isAnswered()).toBe(false);
    timers.fire(QUIET_MS);
    await object.done;
    expect(shield.holds).toBe(0);
    expect(timers.count(MAX_MS)).toBe(0);
    timers.fire(QUIET_MS);
    await get('/object').done;
  });

  it.each(['libostree/2023.7', 'libostree/2026.3 libcurl/8', 'curl/8.0', 'ostree'])(
    'leaves %s alone',
    async (agent) => {
      get('/delta', agent);
      await settled(() => finish.length === 1);
      await get('/object', agent).done;
      await get('/object').done;
    },
  );

  it.each(['libostree/2023.6', 'libostree/2019.10'])('holds for %s too', async (agent) => {
    get('/delta', agent);
    await settled(() => finish.length === 1);
    get('/object', agent);
    await settled(() => shield.holds === 1);
    await get('/object?repo=other', agent).done;
  });

  it('holds a client that goes on asking again, for longer, twice', async () => {
    const delta = get('/delta');
    await settled(() => finish.length === 1);
    const first = get('/object');
    await settled(() => shield.holds === 1);
    finish[0]?.();
    await delta.done;
    await settled(() => timers.count(QUIET_MS) === 1);
    timers.fire(QUIET_MS);
    await first.done;
    // Each time a quiet moment shows whether more is asked for; the rest of the wait follows.
    for (const waitMs of [2 * QUIET_MS, 4 * QUIET_MS]) {
      const more = get('/object');
      await settled(() => shield.holds === 1);
      timers.fire(QUIET_MS);
      await settled(() => timers.count(waitMs - QUIET_MS) === 1);
      expect(more.isAnswered()).toBe(false);
      timers.fire(waitMs - QUIET_MS);
      await more.done;
    }
    await get('/object').done;
  });

  it('sends what the delta does not bring', async () => {
    get('/delta');
    await settled(() => finish.length === 1);
    await get('/fallback').done;
    const object = get('/object');
    await settled(() => shield.holds === 1);
    expect(object.isAnswered()).toBe(false);
  });

  it('holds nothing longer than its bound', async () => {
    get('/delta');
    await settled(() => finish.length === 1);
    const object = get('/object');
    await settled(() => shield.holds === 1);
    timers.fire(MAX_MS);
    await object.done;
    expect(shield.holds).toBe(0);
  });

  it('holds no more than so many at once', async () => {
    await server.close(0);
    await start({ maxHolds: 2 });
    get('/delta');
    await settled(() => finish.length === 1);
    get('/object');
    get('/object');
    await settled(() => shield.holds === 2);
    await get('/object').done;
  });

  it('forgets clients that leave', async () => {
    const delta = get('/delta');
    await settled(() => finish.length === 1);
    const object = get('/object');
    await settled(() => shield.holds === 1);
    object.leave();
    await settled(() => shield.holds === 0);
    delta.leave();
    await settled(() => timers.count(QUIET_MS) === 1);
    timers.fire(QUIET_MS);
    timers.fire(QUIET_MS);
    await get('/object').done;
  });
});

describe('how long a client works on what it got', () => {
  const part = (bytes: number, startedMs = 0, endedMs = startedMs) => ({
    ...{ isSuperblock: false, bytes, startedMs, endedMs },
  });
  const MIB = 1024 * 1024;

  it('is nothing before the first part', () => {
    const superblock = { ...part(33_000), isSuperblock: true };
    expect(deltaWorkMs([], 0)).toBe(0);
    expect(deltaWorkMs([superblock], objectsIn(superblock.bytes))).toBe(0);
    expect(objectsIn(33_000)).toBe(1000);
  });

  it('goes by the bytes and the objects', () => {
    expect(deltaWorkMs([part(MIB), part(2 * MIB)], 1000)).toBe(3500);
    expect(deltaWorkMs([part(MIB)], 1_000_000)).toBe(11_000);
    expect(deltaWorkMs([part(100 * MIB)], 0)).toBe(30_000);
    // A short patch of a large program.
    expect(deltaWorkMs([part(MIB)], 0, 96 * MIB)).toBe(12_000);
    expect(deltaWorkMs([], 0, 96 * MIB)).toBe(0);
  });

  it('goes by the pace so far: five parts may wait', () => {
    const slow = [0, 1, 2, 3, 4].map((n) => part(1000, n * 2000, n * 2000 + 10));
    expect(deltaWorkMs(slow, 0)).toBe(10_000);
  });

  it('goes by the link, in whose buffers a part still is', () => {
    expect(deltaWorkMs([part(1000, 0, 8000)], 0)).toBe(4000);
  });
});
