import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { openS3Store } from '../../storage/drivers/s3.ts';
import { isStorageError } from '../../storage/errors.ts';
import { uploadPartKey, parseUploadId, type ObjectKey } from '../../storage/keys.ts';
import { needTool } from '../clients/require.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { blob, collect, read } from '../suites/object-store.ts';
import { s3ErrorXml, type S3Fault, type S3Match } from './s3-fault-proxy.ts';
import { keysBelow, openS3World, type S3World } from './s3-world.ts';

const minio = needTool('minio');

/** What a busy or broken server, and the network before it, do now and then. */
const PASSING: readonly (readonly [string, S3Fault])[] = [
  ['a 500', { kind: 'answer', status: 500, body: s3ErrorXml('InternalError') }],
  [
    'a 503 that says when to come back',
    { kind: 'answer', status: 503, headers: { 'retry-after': '0' }, body: s3ErrorXml('SlowDown') },
  ],
  ['a page of a gateway', { kind: 'answer', status: 502, body: '<html>Bad Gateway' }],
  ['a reset before the request', { kind: 'reset', when: 'before' }],
  ['a reset after the work was done', { kind: 'reset', when: 'after' }],
  ['an answer that is lost', { kind: 'answer', after: true, status: 504, body: '' }],
  ['silence', { kind: 'stall' }],
];

/** Faults of answers that have a body. */
const BODIES: readonly (readonly [string, S3Fault])[] = [
  ['a reset in the middle of the answer', { kind: 'break', share: 0.5 }],
  ['an answer that ends early', { kind: 'break', share: 0.5, peacefully: true }],
  ['silence in the middle of the answer', { kind: 'stall', share: 0.5 }],
];

interface Stores extends Pick<S3World, 'direct'> {
  readonly store: ObjectStore;
}

interface Call {
  readonly name: string;
  /** The request that is spoiled. */
  readonly match: S3Match;
  readonly run: (stores: Stores) => Promise<void>;
}

const CALLS: readonly Call[] = [
  {
    name: 'put',
    match: { method: 'PUT' },
    run: async ({ store, direct }) => {
      const { bytes, key, digest } = blob(1000);
      const options = { expected: { digest, size: 1000 } };
      expect(await store.put(key, [bytes], options)).toEqual({ size: 1000, created: true });
      expect(await read(direct, key)).toEqual(bytes);
    },
  },
  {
    name: 'stat',
    match: { method: 'HEAD' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(10);
      await direct.put(key, [bytes]);
      expect((await store.stat(key))?.size).toBe(10);
    },
  },
  {
    name: 'open',
    match: { method: 'GET', without: 'list-type' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(600_000);
      await direct.put(key, [bytes]);
      expect((await read(store, key)).equals(bytes)).toBe(true);
    },
  },
  {
    name: 'open a range',
    match: { method: 'GET', without: 'list-type' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(600_000);
      await direct.put(key, [bytes]);
      const range = { start: 77, endExclusive: 500_001 };
      expect((await read(store, key, range)).equals(bytes.subarray(77, 500_001))).toBe(true);
    },
  },
  {
    name: 'list',
    match: { query: 'list-type' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(10);
      await direct.put(key, [bytes]);
      expect(await keysBelow(store, key)).toEqual([key]);
    },
  },
  {
    name: 'delete',
    match: { method: 'DELETE' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(10);
      await direct.put(key, [bytes]);
      await store.delete(key);
      expect(await direct.stat(key)).toBeUndefined();
    },
  },
  {
    name: 'move',
    match: { method: 'PUT' },
    run: async ({ store, direct }) => {
      const { bytes, key } = blob(1000);
      const part = uploadPartKey(parseUploadId('a'.repeat(32)), 0, 'b'.repeat(16));
      await direct.put(part, [bytes]);
      await store.move(part, key);
      expect(await read(direct, key)).toEqual(bytes);
      expect(await direct.stat(part)).toBeUndefined();
    },
  },
];

describe.skipIf(minio === undefined)('requests to S3 that fail now and then', () => {
  let world: S3World;
  let store: ObjectStore;
  beforeAll(async () => {
    world = await openS3World(minio ?? '');
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    store = await world.openStore();
  });

  /** With a limit on silence that is short where silence is the fault. */
  async function storesFor({ kind }: S3Fault): Promise<Stores> {
    const { direct } = world;
    return { direct, store: kind === 'stall' ? await world.openStore({ idleMs: 500 }) : store };
  }

  describe.each(PASSING)('%s', (_name, fault) => {
    it.each(CALLS)('is made up for by $name', async ({ match, run }) => {
      const stores = await storesFor(fault);
      world.proxy.spoil(match, fault);
      await run(stores);
      expect(world.proxy.spoiled()).toBe(1);
    });
  });

  describe.each(BODIES)('%s', (_name, fault) => {
    it.each(CALLS.filter(({ name }) => /^open|^list/.test(name)))(
      'is made up for by $name',
      async ({ match, run }) => {
        const stores = await storesFor(fault);
        world.proxy.spoil(match, fault, { times: 3 });
        await run(stores);
        expect(world.proxy.spoiled()).toBe(3);
      },
    );
  });

  it('asks for the rest of the same object only', async () => {
    const { proxy, direct, minio: server, bucket } = world;
    const { bytes, key } = blob(2_000_000);
    await direct.put(key, [bytes]);
    proxy.spoil({ method: 'GET' }, { kind: 'break', share: 0.5 });
    const reading = await store.open(key);
    await server.client.putObject(bucket, key, Buffer.alloc(2_000_000, 'other'));
    const parts: Buffer[] = [];
    const ended = (async () => {
      for await (const part of reading) parts.push(part as Buffer);
    })();
    await expect(ended).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('changed while it was read') as string,
    });
    const got = Buffer.concat(parts);
    expect(got.equals(bytes.subarray(0, got.length))).toBe(true);
  });

  it('sends a body again that was damaged or cut on its way', async () => {
    const { proxy, direct } = world;
    const { bytes, key } = blob(100_000);
    proxy.spoil({ method: 'PUT' }, { kind: 'flip', body: 'sent' });
    proxy.spoil({ method: 'PUT' }, { kind: 'reset', when: 'in request' });
    await store.put(key, [bytes]);
    expect(proxy.spoiled()).toBe(2);
    expect(await read(direct, key)).toEqual(bytes);
  });

  it('takes another range than the one it asked for as no answer', async () => {
    const { proxy, direct } = world;
    const { bytes, key } = blob(1000);
    await direct.put(key, [bytes]);
    proxy.spoil({ method: 'GET' }, { kind: 'short', share: 0.5 });
    expect(await read(store, key, { start: 0, endExclusive: 900 })).toEqual(bytes.subarray(0, 900));
    expect(proxy.spoiled()).toBe(1);
  });

  it('takes a put that another was quicker with as done, and says what forbids one', async () => {
    const { proxy, direct } = world;
    const refused = s3ErrorXml('PreconditionFailed');
    const fault: S3Fault = { kind: 'answer', after: true, status: 412, body: refused };
    const { bytes, key } = blob(1000);
    proxy.spoil({ method: 'PUT' }, fault);
    expect(await store.put(key, [bytes])).toEqual({ size: 1000, created: false });
    expect(await read(direct, key)).toEqual(bytes);

    proxy.spoil({ method: 'PUT' }, { kind: 'answer', status: 412, body: refused });
    await expect(store.put(blob(10).key, [Buffer.from('x')])).rejects.toMatchObject({
      code: 'unavailable',
      retryable: false,
      message: expect.stringContaining('PreconditionFailed') as string,
    });
  });

  describe('a list', () => {
    it('that repeats keys and mixes them up is told once', async () => {
      const { proxy, direct } = world;
      const id = parseUploadId('c'.repeat(32));
      const keys: ObjectKey[] = [];
      for (let n = 0; n < 5; n += 1) {
        const key = uploadPartKey(id, n, 'd'.repeat(16));
        keys.push(key);
        await direct.put(key, [Buffer.from('x')]);
      }
      const mixed = (document: string): string => {
        const all = document.match(/<Contents>.*?<\/Contents>/gs) ?? [];
        return document.replace(all.join(''), [...all, ...all].reverse().join(''));
      };
      proxy.spoil({ query: 'list-type' }, { kind: 'edit', edit: mixed });
      expect((await keysBelow(store, `uploads/${id}/`)).sort()).toEqual(keys);
      expect(proxy.spoiled()).toBe(1);
    });

    it('that goes in a circle ends', async () => {
      const { proxy } = world;
      const circle = (document: string): string =>
        document
          .replace('<IsTruncated>false</IsTruncated>', '<IsTruncated>true</IsTruncated>')
          .replace(
            '</ListBucketResult>',
            '<NextContinuationToken>x</NextContinuationToken></ListBucketResult>',
          );
      proxy.spoil({ query: 'list-type' }, { kind: 'edit', edit: circle }, { times: 9 });
      proxy.spoil({ query: 'list-type' }, { kind: 'answer', status: 400, body: '' }, { times: 9 });
      await expect(keysBelow(store, 'blobs/')).rejects.toMatchObject({ code: 'unavailable' });
      expect(proxy.asked.length).toBeLessThan(4);
    });
  });

  it('does not multiply an outage, and is back when the server is', async () => {
    const { proxy } = world;
    const down: S3Fault = { kind: 'answer', status: 503, body: s3ErrorXml('SlowDown') };
    proxy.spoil({}, down, { times: 100_000 });
    const { bytes, key } = blob(10);
    const calls = Array.from({ length: 200 }, () => store.stat(key));
    const settled = await Promise.allSettled(calls);
    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    // One request each; 40 retries, and what the seconds give back.
    expect(proxy.asked.length).toBeLessThan(200 + 40 + 30);
    proxy.mend();
    await store.put(key, [bytes]);
    expect(await read(store, key)).toEqual(bytes);
  });

  it('asks a second time for a small read that hangs', async () => {
    const { proxy, options, direct } = world;
    // A limit on silence past the test's own: only the second request can bring the answer.
    const patient = await openS3Store({ ...options, patience: { idleMs: 600_000 } });
    const { bytes, key } = blob(2000);
    await direct.put(key, [bytes]);
    const range = { start: 0, endExclusive: 1000 };
    // On a busy machine other reads may just have used up what is allowed: then once more.
    for (let n = 1; ; n += 1) {
      for (let quick = 0; quick < 60; quick += 1) await read(patient, key, range);
      proxy.spoil({ method: 'GET' }, { kind: 'stall' });
      const signal = AbortSignal.timeout(2000);
      const hanging = patient.open(key, { range, signal }).then(collect);
      const outcome = await hanging.catch((error: unknown) => error);
      if (n < 8 && isStorageError(outcome, 'aborted')) continue;
      expect(outcome).toEqual(bytes.subarray(0, 1000));
      break;
    }
  });
});
