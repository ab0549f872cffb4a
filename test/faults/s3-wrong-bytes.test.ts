import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { BlobStore, readBlob } from '../../storage/blob-store.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { needTool } from '../clients/require.ts';
import { startLiveOrigin, type LiveOrigin } from '../server/live-servers.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { pushBlob } from './whole-origin.ts';
import { s3ErrorXml } from './s3-fault-proxy.ts';
import { openS3World, type S3World } from './s3-world.ts';

const minio = needTool('minio');
/** Past the small ones, which are read whole before anything is sent, and past what stays hot. */
const LARGE = seededBytes('s3 large', 900_000);
const SMALL = seededBytes('s3 small', 150_000);

interface Got {
  readonly status: number;
  readonly whole: boolean;
  readonly body: Buffer;
  readonly retryAfter: number;
}

describe.skipIf(minio === undefined)('an origin whose S3 goes wrong', () => {
  let world: S3World;
  let origin: LiveOrigin;
  let dir: string;
  let small: Digest;
  let large: Digest;
  beforeAll(async () => {
    world = await openS3World(minio ?? '');
    dir = await mkdtemp(join(tmpdir(), 'rivulet-s3-faults-'));
    const { endpoint, bucket, region, accessKey, secretKey } = world.options;
    const store = { kind: 's3', endpoint, bucket, region, accessKey, secretKey };
    origin = await startLiveOrigin(dir, { store });
    [small, large] = [await pushBlob(origin.url, SMALL), await pushBlob(origin.url, LARGE)];
  });
  afterAll(async () => {
    await origin.close();
    await world.close();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    world.proxy.mend();
  });

  /** A GET over a connection of its own; a body that breaks off is not `whole`. */
  async function get(digest: Digest, headers: Readonly<Record<string, string>> = {}): Promise<Got> {
    const sent = request(`${origin.url}/v1/blobs/${digest}`, { headers, agent: false });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const parts: Buffer[] = [];
    let whole = true;
    try {
      for await (const part of response) parts.push(part as Buffer);
    } catch {
      whole = false;
    }
    return {
      status: response.statusCode ?? 0,
      whole,
      body: Buffer.concat(parts),
      retryAfter: Number(response.headers['retry-after'] ?? '0'),
    };
  }

  it('reads a small blob again that came wrong, whole or in part', async () => {
    for (const headers of [{}, { range: 'bytes=10-99' }]) {
      world.proxy.mend();
      world.proxy.spoil({ method: 'GET', key: small.slice(7) }, { kind: 'flip', body: 'answered' });
      const { status, body } = await get(small, headers);
      expect(world.proxy.spoiled()).toBe(1);
      expect(status).toBe('range' in headers ? 206 : 200);
      expect(body.equals('range' in headers ? SMALL.subarray(10, 100) : SMALL)).toBe(true);
    }
  });

  it('never sends a small blob that is wrong twice', async () => {
    for (const fault of [
      { kind: 'flip', body: 'answered' },
      { kind: 'short', share: 0.5 },
    ] as const) {
      world.proxy.spoil({ method: 'GET', key: small.slice(7) }, fault, { times: 2 });
      const { status, body } = await get(small);
      expect(status).toBe(500);
      expect(JSON.parse(body.toString())).toMatchObject({ code: 'corrupt' });
      world.proxy.mend();
    }
    expect((await get(small)).body.equals(SMALL)).toBe(true);
  });

  it('never ends a large blob well that came wrong', async () => {
    world.proxy.spoil({ method: 'GET', key: large.slice(7) }, { kind: 'flip', body: 'answered' });
    const wrong = await get(large);
    expect([wrong.status, wrong.whole]).toEqual([200, false]);
    const right = await get(large);
    expect([right.whole, right.body.equals(LARGE)]).toEqual([true, true]);
  });

  it('goes on in the middle of a large blob whose connection broke', async () => {
    world.proxy.spoil({ method: 'GET', key: large.slice(7) }, { kind: 'break', share: 0.4 });
    const { whole, body } = await get(large);
    expect([world.proxy.spoiled(), whole, body.equals(LARGE)]).toEqual([1, true, true]);
  });

  it('commits an upload whose parts the list does not show yet', async () => {
    const id = await begin();
    for (const [n, text] of ['first', 'second'].entries()) {
      const at = n === 0 ? 0 : 5;
      const response = await fetch(`${origin.url}${id}`, {
        method: 'PATCH',
        body: text,
        headers: { 'content-range': `${at}-${at + text.length - 1}` },
      });
      expect(response.status).toBe(202);
    }
    const lagging = (document: string): string =>
      document.replace(/<Contents>(?!.*<Contents>).*?<\/Contents>/s, '');
    world.proxy.spoil({ query: 'list-type' }, { kind: 'edit', edit: lagging }, { times: 2 });
    const digest = digestOf(Buffer.from('firstsecond'));
    const done = await fetch(`${origin.url}${id}?digest=${digest}`, { method: 'PUT' });
    expect(done.status).toBe(201);
    expect(world.proxy.spoiled()).toBe(2);
    expect((await get(digest)).body.toString()).toBe('firstsecond');
  });

  it('says when to come back while the bucket is away, and comes back by itself', async () => {
    const down = { kind: 'answer', status: 503, body: s3ErrorXml('SlowDown') } as const;
    world.proxy.spoil({}, down, { times: 100_000 });
    for (const digest of [large, small]) {
      const { status, body, retryAfter } = await get(digest);
      expect(status).toBe(503);
      expect(retryAfter).toBeGreaterThan(0);
      expect(JSON.parse(body.toString())).toMatchObject({ code: 'unavailable' });
    }
    const push = await fetch(`${origin.url}/v2/edge/app/blobs/uploads/?digest=${large}`, {
      method: 'POST',
      body: LARGE,
    });
    expect([push.status, push.headers.has('retry-after')]).toEqual([503, true]);
    const ready = await fetch(`${origin.url}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { failing: ['store'] }]);
    expect((await fetch(`${origin.url}/livez`)).status).toBe(200);

    world.proxy.mend();
    expect((await fetch(`${origin.url}/readyz`)).status).toBe(200);
    expect((await get(large)).body.equals(LARGE)).toBe(true);
    expect((await get(small)).body.equals(SMALL)).toBe(true);
  });

  it('gives readers of whole blobs the right bytes, or none', async () => {
    const blobs = new BlobStore(await world.openStore());
    const match = { method: 'GET', key: small.slice(7) };
    world.proxy.spoil(match, { kind: 'short', share: 0.9 });
    const options = { maxBytes: 1_000_000 };
    expect((await readBlob(blobs, small, options)).equals(SMALL)).toBe(true);
    world.proxy.spoil(match, { kind: 'flip', body: 'answered' }, { times: 2 });
    await expect(readBlob(blobs, small, options)).rejects.toMatchObject({
      code: 'digest_mismatch',
    });
  });

  async function begin(): Promise<string> {
    const response = await fetch(`${origin.url}/v2/edge/app/blobs/uploads/`, { method: 'POST' });
    expect(response.status).toBe(202);
    return new URL(response.headers.get('location') ?? '', origin.url).pathname;
  }
});
