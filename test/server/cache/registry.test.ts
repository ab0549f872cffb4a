import { describe, expect, test } from 'vitest';

import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf } from '../../../storage/digest.ts';
import type { FakeOrigin } from './origin.ts';
import { ask, MIB, noise, startOrigin, startTestCache, tempFolder } from './tools.ts';

/** Serves manifests by tag and digest, and lists, from a table that a test may change. */
function serveManifests(origin: FakeOrigin, tags: Map<string, Buffer>): void {
  origin.intercept = ({ req, res, path }) => {
    const reference = /^\/v2\/demo\/app\/manifests\/(.+)$/.exec(path)?.[1];
    if (reference !== undefined) {
      const body =
        tags.get(reference) ?? [...tags.values()].find((bytes) => digestOf(bytes) === reference);
      const etag = body === undefined ? '' : `"${digestOf(body)}"`;
      if (body === undefined) res.writeHead(404).end();
      else if (req.headers['if-none-match'] === etag) res.writeHead(304).end();
      else {
        const type = MEDIA_TYPES.ociManifest;
        res.writeHead(200, { 'Content-Type': type, 'Docker-Content-Digest': digestOf(body) });
        res.end(body);
      }
      return true;
    }
    if (path !== '/v2/demo/app/tags/list' && !path.includes('/referrers/')) return false;
    const link = { Link: `<${origin.url}/v2/demo/app/tags/list?n=1&last=a>; rel="next"` };
    res.writeHead(200, { 'Content-Type': 'application/json', ...link });
    res.end(JSON.stringify({ name: 'demo/app', tags: [...tags.keys()] }));
    return true;
  };
}

const one = Buffer.from('{"schemaVersion":2,"one":1}');
const two = Buffer.from('{"schemaVersion":2,"two":2}');

describe('manifests', () => {
  test('by digest: fetched once, byte for byte, and served without the origin', async () => {
    const origin = await startOrigin();
    serveManifests(origin, new Map([['latest', one]]));
    const data = await tempFolder();
    const cache = await startTestCache(origin.url, { data });
    const path = `/v2/demo/app/manifests/${digestOf(one)}`;
    for (let round = 0; round < 2; round += 1) {
      const { status, headers, body } = await ask(`${cache.url}${path}`);
      expect([status, headers['content-type']]).toEqual([200, MEDIA_TYPES.ociManifest]);
      expect(headers['docker-content-digest']).toBe(digestOf(one));
      expect(body.equals(one)).toBe(true);
    }
    expect(origin.seen.filter((line) => line === `GET ${path}`)).toHaveLength(1);
    await origin.stop();
    await cache.close();
    const again = await startTestCache(origin.url, { data });
    const head = await ask(`${again.url}${path}`, { method: 'HEAD' });
    expect(head.headers['content-length']).toBe(one.length.toString());
  });

  test('by tag: as the origin says now; as it last said, with its age, once it is gone', async () => {
    const origin = await startOrigin();
    const tags = new Map([['latest', one]]);
    serveManifests(origin, tags);
    let nowMs = 1_000_000;
    const cache = await startTestCache(origin.url, {}, { clock: () => nowMs });
    const url = `${cache.url}/v2/demo/app/manifests/latest`;
    expect((await ask(url)).body.equals(one)).toBe(true);
    tags.set('latest', two);
    const moved = await ask(url);
    expect(moved.body.equals(two)).toBe(true);
    expect(moved.headers['rivulet-age']).toBeUndefined();

    await origin.stop();
    nowMs += 90_000;
    const stale = await ask(url);
    expect(stale.body.equals(two)).toBe(true);
    expect([stale.headers['age'], stale.headers['rivulet-age']]).toEqual(['90', '90']);
  });

  test('a tag within its time costs the origin nothing', async () => {
    const origin = await startOrigin();
    serveManifests(origin, new Map([['latest', one]]));
    const cache = await startTestCache(origin.url, { tagTtlMs: 60_000 });
    const url = `${cache.url}/v2/demo/app/manifests/latest`;
    await ask(url);
    const before = origin.seen.length;
    expect((await ask(url)).body.equals(one)).toBe(true);
    expect(origin.seen).toHaveLength(before);
  });

  test('404 is passed on, forgets the tag, and is not remembered', async () => {
    const origin = await startOrigin();
    const tags = new Map([['latest', one]]);
    serveManifests(origin, tags);
    const cache = await startTestCache(origin.url);
    const url = `${cache.url}/v2/demo/app/manifests/latest`;
    await ask(url);
    tags.clear();
    const gone = await ask(url);
    expect(gone.status).toBe(404);
    expect(gone.body.toString()).toContain('MANIFEST_UNKNOWN');
    tags.set('latest', two);
    expect((await ask(url)).body.equals(two)).toBe(true);
  });

  test('a manifest with other bytes than its digest says is refused and not kept', async () => {
    const origin = await startOrigin();
    const cache = await startTestCache(origin.url);
    const url = `${cache.url}/v2/demo/app/manifests/${digestOf(one)}`;
    origin.intercept = ({ res }) => {
      res.writeHead(200, { 'Content-Type': MEDIA_TYPES.ociManifest }).end(two);
      return true;
    };
    expect((await ask(url)).status).toBe(502);
    serveManifests(origin, new Map([['latest', one]]));
    expect((await ask(url)).body.equals(one)).toBe(true);
  });
});

describe('the mirror as a registry', () => {
  test('lists come from the origin while it is there, and are served stale after', async () => {
    const origin = await startOrigin();
    const tags = new Map([['a', one]]);
    serveManifests(origin, tags);
    const cache = await startTestCache(origin.url);
    const url = `${cache.url}/v2/demo/app/tags/list`;
    expect((await ask(url)).body.toString()).toContain('["a"]');
    tags.set('b', two);
    const fresh = await ask(url);
    expect(fresh.body.toString()).toContain('["a","b"]');
    expect(fresh.headers['link']).toBe('</v2/demo/app/tags/list?n=1&last=a>; rel="next"');
    await origin.stop();
    const stale = await ask(url);
    expect(stale.body.equals(fresh.body)).toBe(true);
    expect(stale.headers['rivulet-age']).toBeDefined();
    expect((await ask(`${url}?n=7`)).status).toBe(503);
  });

  test('blobs of a repository: cold ones as the repository has them', async () => {
    const origin = await startOrigin();
    const blob = noise(MIB + 1);
    const digest = origin.add(blob);
    const cache = await startTestCache(origin.url);
    const { body, headers } = await ask(`${cache.url}/v2/demo/app/blobs/${digest}`);
    expect(body.equals(blob)).toBe(true);
    expect(headers['docker-content-digest']).toBe(digest);
    expect(origin.seen).toContain(`HEAD /v2/demo/app/blobs/${digest}`);
    const unknown = await ask(`${cache.url}/v2/demo/app/blobs/${digestOf(one)}`);
    expect(unknown.status).toBe(404);
    expect(unknown.body.toString()).toContain('BLOB_UNKNOWN');
  });

  test('ns is a key to compare, never an address', async () => {
    const origin = await startOrigin();
    serveManifests(origin, new Map([['latest', one]]));
    const cache = await startTestCache(origin.url);
    const url = `${cache.url}/v2/demo/app/manifests/latest`;
    expect((await ask(`${url}?ns=${new URL(origin.url).host}`)).status).toBe(200);
    const other = await ask(`${url}?ns=registry.example`);
    expect(other.status).toBe(404);
    expect(other.body.toString()).toContain('NAME_UNKNOWN');
  });

  test('pushes and deletes are refused, and told where to go', async () => {
    const origin = await startOrigin();
    const cache = await startTestCache(origin.url);
    for (const [method, path] of [
      ['POST', '/v2/demo/app/blobs/uploads/'],
      ['PUT', '/v2/demo/app/manifests/latest'],
      ['DELETE', '/v2/demo/app/manifests/latest'],
    ] as const) {
      const { status, body } = await ask(`${cache.url}${path}`, { method });
      expect(status).toBe(405);
      expect(body.toString()).toContain(origin.url);
    }
    const base = await ask(`${cache.url}/v2/`);
    expect(base.headers['docker-distribution-api-version']).toBe('registry/2.0');
    expect((await ask(`${cache.url}/v2/Bad..Name/tags/list`)).status).toBe(400);
  });
});
