import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import type { RateConfig } from '../../../server/config.ts';
import type { RawRoute } from '../../../server/http/exchange.ts';
import { addressKey } from '../../../server/limits/address-key.ts';
import { Buckets } from '../../../server/limits/buckets.ts';
import { createLimiter } from '../../../server/limits/limiter.ts';
import { serve } from '../http/rig.ts';

const OFF: RateConfig = { perSecond: 0, burst: 1 };

describe('token buckets', () => {
  it('give a burst, then one for each interval, and say how long to wait', () => {
    let now = 1000;
    const buckets = new Buckets({ perSecond: 2, burst: 3 }, () => now);
    expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([0, 0, 0]);
    expect(buckets.take('a')).toBe(500);
    expect(buckets.take('b')).toBe(0);
    now += 499;
    expect(buckets.take('a')).toBe(1);
    now += 1;
    expect(buckets.take('a')).toBe(0);
    expect(buckets.take('a')).toBe(500);
  });

  it('never admit more than burst + rate * time, and as much as that when asked all the time', () => {
    const rate = fc.record({
      perSecond: fc.double({ min: 0.1, max: 500, noNaN: true }),
      burst: fc.integer({ min: 1, max: 50 }),
    });
    const steps = fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(rate, steps, ({ perSecond, burst }, pauses) => {
        let now = 0;
        let admitted = 0;
        const buckets = new Buckets({ perSecond, burst }, () => now);
        for (const pause of pauses) {
          now += pause;
          while (buckets.take('a') === 0) admitted += 1;
          expect(admitted).toBeLessThanOrEqual(burst + (perSecond * now) / 1000 + 1e-6);
        }
        // A refused caller that waits as long as it is told is admitted.
        now += buckets.take('a') + 1e-6;
        expect(buckets.take('a')).toBe(0);
      }),
    );
  });

  it('remember a bounded number of keys, and a busy one through a flood of others', () => {
    let now = 0;
    const buckets = new Buckets({ perSecond: 1, burst: 2 }, () => now);
    buckets.take('busy');
    buckets.take('busy');
    for (let index = 0; index < 300_000; index += 1) {
      now += 0.001;
      buckets.take(`flood-${index}`);
      if (index % 10_000 === 0) expect(buckets.take('busy')).toBeGreaterThan(0);
    }
    expect(buckets.size).toBeLessThanOrEqual(100_000);
  });
});

describe('keys of addresses', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:DB8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['64:ff9b::10.0.0.1', '64:ff9b:0:0'],
    ['', ''],
  ])('%s is counted as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it('tell any two prefixes of 64 bits apart, and no two addresses within one', () => {
    const part = fc.integer({ min: 0, max: 0xffff });
    const parts = fc.array(part, { minLength: 8, maxLength: 8 });
    const write = (numbers: readonly number[]): string =>
      new URL(`http://[${numbers.map((number) => number.toString(16)).join(':')}]`).hostname.slice(
        1,
        -1,
      );
    fc.assert(
      fc.property(parts, parts, (one, two) => {
        const same = one.slice(0, 4).join() === two.slice(0, 4).join();
        expect(addressKey(write(one)) === addressKey(write(two))).toBe(same);
        const neighbour = [...one.slice(0, 4), ...two.slice(4)];
        expect(addressKey(write(neighbour))).toBe(addressKey(write(one)));
      }),
    );
  });
});

describe('limits of a server', () => {
  async function start(
    limits: { address?: RateConfig; principal?: RateConfig },
    options: { processes?: number; now?: () => number } = {},
  ): Promise<string> {
    const limiter = createLimiter({ address: OFF, principal: OFF, ...limits }, options);
    const name: RawRoute = (x) => {
      const who = x.req.headers['x-test-principal'];
      if (typeof who === 'string') x.principal = { name: who, grants: [] };
      return Promise.resolve(false);
    };
    const answer: RawRoute = (x) => {
      x.res.end('ok');
      return Promise.resolve(true);
    };
    const server = await serve({ routes: [limiter.byAddress, name, limiter.byPrincipal, answer] });
    onTestFinished(() => server.close(0));
    return server.url;
  }

  const as = (who: string) => ({ headers: { 'x-test-principal': who } });
  async function statuses(url: string, count: number, init?: RequestInit): Promise<number[]> {
    const all: number[] = [];
    for (let index = 0; index < count; index += 1) all.push((await fetch(url, init)).status);
    return all;
  }

  it('refuses an address past its rate, with Retry-After, until it has waited', async () => {
    let now = 0;
    const url = await start({ address: { perSecond: 0.4, burst: 2 } }, { now: () => now });
    expect(await statuses(`${url}/v1/status`, 2)).toEqual([200, 200]);
    const refused = await fetch(`${url}/v1/status`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('3');
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', status: 429 });
    now += 2500;
    expect(await statuses(`${url}/v1/status`, 2)).toEqual([200, 429]);
  });

  it('says it in the form of the registry below /v2', async () => {
    const url = await start({ address: { perSecond: 1, burst: 1 } }, { now: () => 0 });
    await fetch(`${url}/v2/`);
    const refused = await fetch(`${url}/v2/app/tags/list`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ errors: [{ code: 'TOOMANYREQUESTS' }] });
  });

  it('never refuses the probes, and does not count them', async () => {
    const rate = { perSecond: 1, burst: 1 };
    const url = await start({ address: rate, principal: rate }, { now: () => 0 });
    expect(await statuses(`${url}/livez`, 3)).toEqual([200, 200, 200]);
    expect(await statuses(`${url}/readyz`, 3, as('token:a'))).toEqual([200, 200, 200]);
    expect(await statuses(`${url}/metrics`, 2)).toEqual([200, 429]);
  });

  it('counts principals apart, and callers without credentials by address only', async () => {
    const url = await start({ principal: { perSecond: 1, burst: 2 } }, { now: () => 0 });
    expect(await statuses(url, 3, as('token:a'))).toEqual([200, 200, 429]);
    expect(await statuses(url, 1, as('token:b'))).toEqual([200]);
    expect(await statuses(url, 4)).toEqual([200, 200, 200, 200]);
    expect(await statuses(url, 4, as('anonymous'))).toEqual([200, 200, 200, 200]);
  });

  it('takes its part of the rate when several processes serve', async () => {
    let now = 0;
    const url = await start(
      { address: { perSecond: 4, burst: 8 } },
      { processes: 4, now: () => now },
    );
    expect(await statuses(url, 3)).toEqual([200, 200, 429]);
    now += 1000;
    expect(await statuses(url, 2)).toEqual([200, 429]);
  });

  it('is off at a rate of 0, and is asked without a request too', async () => {
    const url = await start({});
    expect(new Set(await statuses(url, 20))).toEqual(new Set([200]));
    const limiter = createLimiter(
      { address: { perSecond: 1, burst: 1 }, principal: OFF },
      { now: () => 0 },
    );
    expect(limiter.admitAddress('10.0.0.1')).toBe(true);
    expect(limiter.admitAddress('::ffff:10.0.0.1')).toBe(false);
  });
});
