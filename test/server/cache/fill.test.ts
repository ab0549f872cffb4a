import { open, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { CHECK_HOLDS_MS } from '../../../server/cache/block-reads.ts';
import {
  ask,
  MIB,
  noise,
  startOrigin,
  startTestCache,
  statusOf,
  tempFolder,
  until,
} from './tools.ts';

const blobUrl = (base: string, digest: string): string => `${base}/v1/blobs/${digest}`;

describe('one fill for many', () => {
  test('sixty cold readers, a third of them leaving, cost the origin one copy', async () => {
    const origin = await startOrigin();
    const blob = noise(6 * MIB + 12345);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        if (index % 3 === 0) {
          return ask(blobUrl(cache.url, digest), { leaveAfter: 100_000 + index * 20_000 });
        }
        return ask(blobUrl(cache.url, digest), index % 10 === 1 ? { pauseMs: 1 } : {});
      }),
    );
    for (const [index, { status, body }] of answers.entries()) {
      expect(status).toBe(200);
      if (index % 3 === 0) expect(body.equals(blob.subarray(0, body.length))).toBe(true);
      else expect(body.equals(blob)).toBe(true);
    }
    expect(origin.sent).toBeLessThanOrEqual(blob.length * 1.01);
    expect(origin.asked).toHaveLength(1);

    await origin.stop();
    const later = await ask(blobUrl(cache.url, digest));
    expect(later.body.equals(blob)).toBe(true);
    expect(await statusOf(cache.url)).toMatchObject({ objects: 1, completeObjects: 1 });
  });

  test('a departing first client does not end the fill of others', async () => {
    const origin = await startOrigin();
    origin.pauseMs = 2;
    const blob = noise(5 * MIB);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const first = ask(blobUrl(cache.url, digest), { leaveAfter: 1000 });
    const second = ask(blobUrl(cache.url, digest));
    await first;
    expect((await second).body.equals(blob)).toBe(true);
    expect(origin.asked).toHaveLength(1);
  });

  test('a fill that nobody waits for ends early, and is taken up where it stood', async () => {
    const origin = await startOrigin();
    origin.pauseMs = 2;
    const blob = noise(16 * MIB);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    await ask(blobUrl(cache.url, digest), { leaveAfter: 1000 });
    await until(async () => Number((await statusOf(cache.url))['bytes']) > 0);
    origin.pauseMs = 0;
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
    // The origin's own count holds what was still under way when the cache hung up.
    expect((await statusOf(cache.url))['egressBytes']).toBeLessThanOrEqual(blob.length + MIB);
    expect(origin.asked.at(-1)).toMatch(/^bytes=[1-9]/);
  });

  test('a whole read that leaves past the middle is finished for the next', async () => {
    const origin = await startOrigin();
    const blob = noise(8 * MIB);
    const digest = origin.add(blob);
    origin.pauseMs = 1;
    const cache = await startTestCache(origin.url);
    await ask(blobUrl(cache.url, digest), { leaveAfter: 6 * MIB });
    await until(async () => (await statusOf(cache.url))['completeObjects'] === 1);
    expect(origin.sent).toBeLessThanOrEqual(blob.length * 1.01);
  });
});

describe('ranges', () => {
  test('a range of a cold blob fetches its own blocks, and nothing else', async () => {
    const origin = await startOrigin();
    const blob = noise(8 * MIB);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const start = 5 * MIB + 17;
    const range = { headers: { range: `bytes=${start}-${start + 99}` } };
    const { status, headers, body } = await ask(blobUrl(cache.url, digest), range);
    expect(status).toBe(206);
    expect(headers['content-range']).toBe(`bytes ${start}-${start + 99}/${blob.length}`);
    expect(body.equals(blob.subarray(start, start + 100))).toBe(true);
    expect(origin.asked).toEqual([`bytes=${5 * MIB}-${6 * MIB - 1}`]);

    await origin.stop();
    const again = await ask(blobUrl(cache.url, digest), range);
    expect(again.body.equals(body)).toBe(true);
  });

  test('a far range does not wait for the fill that runs', async () => {
    const origin = await startOrigin();
    const blob = noise(24 * MIB);
    const digest = origin.add(blob);
    origin.pauseMs = 3;
    const cache = await startTestCache(origin.url);
    const whole = ask(blobUrl(cache.url, digest));
    await until(() => origin.sent > 0);
    const at = 20 * MIB;
    const range = await ask(blobUrl(cache.url, digest), {
      headers: { range: `bytes=${at}-${at + 9}` },
    });
    expect(range.body.equals(blob.subarray(at, at + 10))).toBe(true);
    // Had it waited, twenty blocks would have been sent before.
    expect(origin.sent).toBeLessThan(16 * MIB);
    origin.pauseMs = 0;
    expect((await whole).body.equals(blob)).toBe(true);
  });

  test('many ranges, suffixes, and what is past the end', async () => {
    const origin = await startOrigin();
    const blob = noise(3 * MIB + 5);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const url = blobUrl(cache.url, digest);
    const suffix = await ask(url, { headers: { range: 'bytes=-7' } });
    expect(suffix.body.equals(blob.subarray(-7))).toBe(true);
    const many = await ask(url, { headers: { range: `bytes=0-9,${2 * MIB}-${2 * MIB + 4},3-4` } });
    expect(many.headers['content-type']).toMatch(/^multipart\/byteranges/);
    expect(many.body.includes(blob.subarray(2 * MIB, 2 * MIB + 5))).toBe(true);
    const past = await ask(url, { headers: { range: `bytes=${blob.length}-` } });
    expect(past.status).toBe(416);
    expect(past.headers['content-range']).toBe(`bytes */${blob.length}`);
    const known = await ask(url, { headers: { 'if-none-match': `"${digest}"` } });
    expect(known.status).toBe(304);
    const other = await ask(url, {
      headers: { range: 'bytes=0-1', 'if-range': '"something else"' },
    });
    expect(other.status).toBe(200);
    expect(other.body.equals(blob)).toBe(true);
  });

  test('HEAD and a conditional hit cost no byte of a cold blob', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(MIB));
    const cache = await startTestCache(origin.url);
    const head = await ask(blobUrl(cache.url, digest), { method: 'HEAD' });
    expect(head.headers['content-length']).toBe(MIB.toString());
    expect(origin.asked).toEqual([]);
  });

  test('a blob in the cache survives a restart without its origin', async () => {
    const origin = await startOrigin();
    const blob = noise(2 * MIB + 1);
    const digest = origin.add(blob);
    const data = await tempFolder();
    const first = await startTestCache(origin.url, { data });
    await ask(blobUrl(first.url, digest));
    await first.close();
    await origin.stop();
    const second = await startTestCache(origin.url, { data });
    expect((await ask(blobUrl(second.url, digest))).body.equals(blob)).toBe(true);
  });
});

describe('damage', () => {
  test('a byte flipped on disk is noticed and fetched again', async () => {
    const origin = await startOrigin();
    const blob = noise(4 * MIB);
    const digest = origin.add(blob);
    const data = await tempFolder();
    const first = await startTestCache(origin.url, { data });
    await ask(blobUrl(first.url, digest));
    await first.close();
    const name = (await readdir(join(data, 'blobs'))).find((file) => file.endsWith('.data')) ?? '';
    const file = await open(join(data, 'blobs', name), 'r+');
    await file.write(Buffer.from([(blob[2 * MIB + 7] ?? 0) ^ 1]), 0, 1, 2 * MIB + 7);
    await file.close();
    const before = origin.sent;
    const second = await startTestCache(origin.url, { data });
    expect((await ask(blobUrl(second.url, digest))).body.equals(blob)).toBe(true);
    expect(origin.sent - before).toBe(MIB);
  });

  test('many damaged blocks of one blob are fetched again, each once', async () => {
    const origin = await startOrigin();
    const blob = noise(8 * MIB);
    const digest = origin.add(blob);
    const data = await tempFolder();
    const first = await startTestCache(origin.url, { data });
    await ask(blobUrl(first.url, digest));
    await first.close();
    const name = (await readdir(join(data, 'blobs'))).find((file) => file.endsWith('.data')) ?? '';
    const file = await open(join(data, 'blobs', name), 'r+');
    for (let block = 1; block < 7; block += 1) {
      const at = block * MIB + 7;
      await file.write(Buffer.from([(blob[at] ?? 0) ^ 1]), 0, 1, at);
    }
    await file.close();
    const before = origin.sent;
    const second = await startTestCache(origin.url, { data });
    expect((await ask(blobUrl(second.url, digest))).body.equals(blob)).toBe(true);
    expect(origin.sent - before).toBe(6 * MIB);
  });

  test('a byte flipped under a running cache is noticed once a minute has passed', async () => {
    const origin = await startOrigin();
    const blob = noise(4 * MIB);
    const digest = origin.add(blob);
    let nowMs = 1_000_000;
    const cache = await startTestCache(origin.url, {}, { clock: () => nowMs });
    const url = blobUrl(cache.url, digest);
    expect((await ask(url)).body.equals(blob)).toBe(true);
    const folder = join(cache.data, 'blobs');
    const name = (await readdir(folder)).find((file) => file.endsWith('.data')) ?? '';
    const file = await open(join(folder, name), 'r+');
    await file.write(Buffer.from([(blob[MIB + 7] ?? 0) ^ 1]), 0, 1, MIB + 7);
    await file.close();
    const before = origin.sent;
    nowMs += CHECK_HOLDS_MS;
    const headers = { range: `bytes=${MIB}-${MIB + 99}` };
    expect((await ask(url, { headers })).body.equals(blob.subarray(MIB, MIB + 100))).toBe(true);
    expect((await ask(url)).body.equals(blob)).toBe(true);
    expect(origin.sent - before).toBe(MIB);
  });

  test('a file cut short under a running cache: what is gone is fetched again', async () => {
    const origin = await startOrigin();
    const blob = noise(12 * MIB);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const url = blobUrl(cache.url, digest);
    expect((await ask(url)).body.equals(blob)).toBe(true);
    const folder = join(cache.data, 'blobs');
    const name = (await readdir(folder)).find((file) => file.endsWith('.data')) ?? '';
    // Another blob takes the place of this one's blocks in memory.
    await ask(blobUrl(cache.url, origin.add(noise(8 * MIB, 2))));
    await truncate(join(folder, name), 11 * MIB + 5000);
    const before = origin.sent;
    expect((await ask(url)).body.equals(blob)).toBe(true);
    expect(origin.sent - before).toBe(MIB);
  });

  test('wrong bytes from the origin break every reader, and nothing is kept', async () => {
    const origin = await startOrigin();
    const blob = noise(3 * MIB);
    const digest = origin.add(blob);
    origin.spoil = (bytes, offset) => {
      if (offset === MIB) bytes[5] = (bytes[5] ?? 0) ^ 0xff;
      return bytes;
    };
    const cache = await startTestCache(origin.url);
    const readers = await Promise.allSettled(
      Array.from({ length: 5 }, () => ask(blobUrl(cache.url, digest))),
    );
    for (const reader of readers) expect(reader.status).toBe('rejected');
    await until(async () => (await readdir(join(cache.data, 'blobs'))).length === 0);
    expect(await statusOf(cache.url)).toMatchObject({ objects: 0, bytes: 0 });

    origin.spoil = undefined;
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
  });

  test('wrong bytes of a small blob are a 502 before anything is sent', async () => {
    const origin = await startOrigin();
    const blob = noise(1000);
    const digest = origin.add(blob);
    origin.spoil = (bytes) => bytes.fill(0);
    const cache = await startTestCache(origin.url);
    expect((await ask(blobUrl(cache.url, digest))).status).toBe(502);
    origin.spoil = undefined;
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
  });

  test('an origin that always cuts at one place breaks the transfer, not ends it', async () => {
    const origin = await startOrigin();
    const blob = noise(4 * MIB);
    const digest = origin.add(blob);
    origin.cutAt = 2.5 * MIB;
    const cache = await startTestCache(origin.url);
    await expect(ask(blobUrl(cache.url, digest))).rejects.toThrow();
    origin.cutAt = Infinity;
    const before = origin.sent;
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
    expect(origin.sent - before).toBeLessThanOrEqual(2 * MIB);
  });

  test('an origin that dies in mid-fill and comes back: readers never notice', async () => {
    const origin = await startOrigin();
    const blob = noise(6 * MIB);
    const digest = origin.add(blob);
    origin.pauseMs = 2;
    const fillRetry = { attempts: 100, pauseMs: 20, maxPauseMs: 20 };
    const cache = await startTestCache(origin.url, {}, { fillRetry });
    const reader = ask(blobUrl(cache.url, digest));
    await until(() => origin.sent > 2 * MIB);
    await origin.stop();
    await origin.start();
    expect((await reader).body.equals(blob)).toBe(true);
    expect(origin.sent).toBeLessThan(blob.length + 3 * MIB);
  });

  test('an origin that sends nothing counts as gone', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(MIB));
    origin.pauseMs = 60_000;
    const cache = await startTestCache(origin.url, {}, { progressMs: 100 });
    expect((await ask(blobUrl(cache.url, digest))).status).toBe(503);
  });

  test('sizes that the origin lies about', async () => {
    const origin = await startOrigin();
    const blob = noise(5000);
    const digest = origin.add(blob);
    origin.intercept = ({ req, res }) => {
      if (req.method === 'HEAD') res.writeHead(200, { 'Content-Length': 4000 }).end();
      return req.method === 'HEAD';
    };
    const cache = await startTestCache(origin.url);
    expect((await ask(blobUrl(cache.url, digest))).status).toBe(502);
    origin.intercept = undefined;
    await until(async () => (await statusOf(cache.url))['objects'] === 0);
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
    origin.intercept = ({ res }) => {
      res.writeHead(200, { 'Content-Length': 0 }).end();
      return true;
    };
    const never = digest.replace(/.{4}$/, '0000');
    expect((await ask(blobUrl(cache.url, never))).status).toBe(502);
  });
});

describe('what the origin refuses', () => {
  test('404 is passed on and not remembered', async () => {
    const origin = await startOrigin();
    const blob = noise(100);
    const digest = origin.add(blob);
    origin.blobs.clear();
    const cache = await startTestCache(origin.url);
    expect((await ask(blobUrl(cache.url, digest))).status).toBe(404);
    origin.add(blob);
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
  });

  test('429 is passed on with Retry-After', async () => {
    const origin = await startOrigin();
    const digest = origin.add(noise(100));
    origin.intercept = ({ res }) => {
      res.writeHead(429, { 'Retry-After': '17' }).end();
      return true;
    };
    const cache = await startTestCache(origin.url);
    const { status, headers } = await ask(blobUrl(cache.url, digest));
    expect([status, headers['retry-after']]).toEqual([429, '17']);
    const registry = await ask(`${cache.url}/v2/demo/app/blobs/${digest}`);
    expect(registry.status).toBe(429);
    expect(registry.body.toString()).toContain('TOOMANYREQUESTS');
  });

  test('a HEAD may be refused where GET works, and redirects are followed', async () => {
    const origin = await startOrigin();
    const blob = noise(2 * MIB);
    const digest = origin.add(blob);
    origin.intercept = ({ req, res, path, query }) => {
      if (req.method === 'HEAD') res.writeHead(405).end();
      else if (!query.has('there')) res.writeHead(307, { Location: `${path}?there=1` }).end();
      else return false;
      return true;
    };
    const cache = await startTestCache(origin.url);
    expect((await ask(blobUrl(cache.url, digest))).body.equals(blob)).toBe(true);
  });

  test('an origin that knows no ranges is read up to the range', async () => {
    const origin = await startOrigin();
    const blob = noise(3 * MIB);
    const digest = origin.add(blob);
    origin.intercept = ({ req }) => {
      delete req.headers.range;
      return false;
    };
    const cache = await startTestCache(origin.url);
    const { body } = await ask(blobUrl(cache.url, digest), {
      headers: { range: `bytes=${2 * MIB}-${2 * MIB + 9}` },
    });
    expect(body.equals(blob.subarray(2 * MIB, 2 * MIB + 10))).toBe(true);
  });

  test('a name that is no digest, and a method that is none', async () => {
    const origin = await startOrigin();
    const cache = await startTestCache(origin.url);
    expect((await ask(blobUrl(cache.url, 'sha256:xyz'))).status).toBe(400);
    const digest = origin.add(noise(10));
    expect((await ask(blobUrl(cache.url, digest), { method: 'DELETE' })).status).toBe(405);
  });
});
