import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { Client, locationOf, refusal, startRegistry, type RunningRegistry } from './rig.ts';

const absent = digestOf(Buffer.from('absent'));

describe.each(['fs', 'memory'] as const)('blobs on %s', (kind) => {
  let registry: RunningRegistry;
  let client: Client;

  beforeAll(async () => {
    registry = await startRegistry(kind);
    client = new Client(registry.url, 'some/repo');
  });
  afterAll(() => registry.close());

  it('answers the version check and no other path', async () => {
    for (const path of ['/v2/', '/v2']) {
      const response = await client.get(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    }
    for (const path of ['/v2/some/repo', '/v2/some/repo/unknown', '/v2//blobs/x/']) {
      expect(await refusal(await client.get(path))).toBe('404 NAME_UNKNOWN');
    }
  });

  it('keeps a blob of every size and both algorithms', async () => {
    for (const size of [0, 1, 70_000, 3_000_001]) {
      const bytes = seededBytes(`blob ${size}`, size);
      for (const digest of [digestOf(bytes), digestOf(bytes, 'sha512')]) {
        await client.pushBlob(bytes, digest);
        const response = await client.get(`blobs/${digest}`);
        expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
        expect(response.headers.get('docker-content-digest')).toBe(digest);
        const head = await client.send('HEAD', `blobs/${digest}`);
        expect(head.status).toBe(200);
        expect(head.headers.get('content-length')).toBe(String(size));
        expect(head.headers.get('docker-content-digest')).toBe(digest);
      }
    }
  });

  it('serves ranges', async () => {
    const bytes = seededBytes('ranges', 3000);
    const digest = await client.pushBlob(bytes);
    for (const [range, start, end] of [
      ['500-1499', 500, 1500],
      ['500-', 500, 3000],
      ['-500', 2500, 3000],
      ['2000-5000', 2000, 3000],
    ] as const) {
      const response = await client.get(`blobs/${digest}`, { range: `bytes=${range}` });
      expect(response.status).toBe(206);
      expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/3000`);
      expect(response.headers.get('docker-content-digest')).toBe(digest);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(start, end))).toBe(
        true,
      );
    }
    for (const range of ['500-0', '5000-10000']) {
      const response = await client.get(`blobs/${digest}`, { range: `bytes=${range}` });
      expect(response.headers.get('content-range')).toBe('bytes */3000');
      expect(await refusal(response)).toBe('416 SIZE_INVALID');
    }
  });

  it('deletes a blob, visibly at once, from this repository alone', async () => {
    const other = new Client(registry.url, 'another');
    const bytes = seededBytes('deleted', 100);
    const digest = await client.pushBlob(bytes);
    await other.pushBlob(bytes);
    const deleted = await client.send('DELETE', `blobs/${digest}`);
    expect([deleted.status, deleted.headers.get('content-length')]).toEqual([202, '0']);
    expect(await refusal(await client.get(`blobs/${digest}`))).toBe('404 BLOB_UNKNOWN');
    expect((await client.send('HEAD', `blobs/${digest}`)).status).toBe(404);
    const again = await client.send('DELETE', `blobs/${digest}`);
    expect(await refusal(again)).toBe('404 BLOB_UNKNOWN');
    expect((await other.get(`blobs/${digest}`)).status).toBe(200);
  });

  it('shows no blob of another repository', async () => {
    const digest = await client.pushBlob(seededBytes('private', 100));
    const other = new Client(registry.url, 'other');
    expect(await refusal(await other.get(`blobs/${digest}`))).toBe('404 BLOB_UNKNOWN');
  });

  it('refuses names, digests and methods that can not be', async () => {
    for (const [method, path, expected] of [
      ['GET', '/v2/UPPER/blobs/x', '400 NAME_INVALID'],
      ['GET', `/v2/a//b/blobs/${absent}`, '400 NAME_INVALID'],
      ['GET', `/v2/${'a'.repeat(256)}/blobs/${absent}`, '400 NAME_INVALID'],
      ['GET', `/v2/..%2F..%2Fetc/blobs/${absent}`, '400 NAME_INVALID'],
      ['GET', 'blobs/sha256:bad', '400 DIGEST_INVALID'],
      ['GET', `blobs/${absent.toUpperCase()}`, '400 DIGEST_INVALID'],
      ['GET', `blobs/md5:${'0'.repeat(32)}`, '400 DIGEST_INVALID'],
      ['DELETE', 'blobs/sha256:bad', '400 DIGEST_INVALID'],
      ['GET', `blobs/${absent}`, '404 BLOB_UNKNOWN'],
      ['PUT', `blobs/${absent}`, '405 UNSUPPORTED'],
      ['POST', '/v2/', '405 UNSUPPORTED'],
    ] as const) {
      const response = await client.send(method, path);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect([path, await refusal(response)]).toEqual([path, expected]);
    }
    const refused = await client.send('PUT', `blobs/${absent}`);
    expect(refused.headers.get('allow')).toBe('GET, DELETE, HEAD');
  });

  it('takes %3A for the colon', async () => {
    const digest = await client.pushBlob(Buffer.from('colon'));
    expect((await client.get(`blobs/${digest.replace(':', '%3A')}`)).status).toBe(200);
  });

  it('mounts a blob from where it is, or opens a session', async () => {
    const bytes = seededBytes('mounted', 100);
    const digest = await client.pushBlob(bytes);
    for (const [name, query] of [
      ['mount/from', `mount=${digest}&from=some/repo`],
      ['mount/from-escaped', `mount=${digest.replace(':', '%3A')}&from=some%2Frepo`],
      ['mount/anywhere', `mount=${digest}`],
    ] as const) {
      const target = new Client(registry.url, name);
      const response = await target.send('POST', `blobs/uploads/?${query}`);
      expect(response.status).toBe(201);
      expect(response.headers.get('docker-content-digest')).toBe(digest);
      const mounted = await target.get(locationOf(response));
      expect(Buffer.from(await mounted.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const target = new Client(registry.url, 'mount/absent');
    for (const query of [`mount=${absent}&from=some/repo`, `mount=${digest}&from=no/such`]) {
      const response = await target.send('POST', `blobs/uploads/?${query}`);
      expect(response.status).toBe(202);
      const put = await target.send('PUT', `${locationOf(response)}?digest=${digest}`, bytes);
      expect(put.status).toBe(201);
    }
    const bad = await target.send('POST', 'blobs/uploads/?mount=sha256:bad');
    expect(await refusal(bad)).toBe('400 DIGEST_INVALID');
  });
});
