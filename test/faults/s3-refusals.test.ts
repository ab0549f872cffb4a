import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { openS3Store } from '../../storage/drivers/s3.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { needTool } from '../clients/require.ts';
import { blob } from '../suites/object-store.ts';
import { s3ErrorXml } from './s3-fault-proxy.ts';
import { keysBelow, openS3World, type S3World } from './s3-world.ts';

const minio = needTool('minio');

describe.skipIf(minio === undefined)('what S3 refuses', () => {
  let world: S3World;
  let store: ObjectStore;
  beforeAll(async () => {
    world = await openS3World(minio ?? '');
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    store = await world.openStore();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  describe.each([
    ['NoSuchBucket', 404, 'create the bucket or correct its name'],
    ['SignatureDoesNotMatch', 403, 'check the access key, the secret key'],
    ['InvalidAccessKeyId', 403, 'check the access key, the secret key'],
    ['AccessDenied', 403, 'the rights of the key'],
  ])('%s', (code, status, advice) => {
    it('is said at once, with what to do', async () => {
      const { proxy } = world;
      proxy.spoil({}, { kind: 'answer', status, body: s3ErrorXml(code) }, { times: 99 });
      const { bytes, key } = blob(10);
      const calls = [
        () => store.open(key),
        () => keysBelow(store, 'blobs/'),
        () => store.delete(key),
        () => store.put(key, [bytes]),
      ];
      for (const call of calls) {
        await expect(call()).rejects.toMatchObject({
          code: 'unavailable',
          retryable: false,
          message: expect.stringContaining(
            `${code}: ${advice}`.slice(0, code.length + 2),
          ) as string,
        });
        await expect(call()).rejects.toThrow(advice);
      }
      // A HEAD tells no code: the bucket is asked for it.
      expect(proxy.asked).toHaveLength(calls.length * 2 + 2);
    });
  });

  describe.each([3600, -3600])('a clock that is %d seconds off', (seconds) => {
    it('is said with the difference', async () => {
      const { minio: server, options } = world;
      const { key } = blob(10);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
      const text = new RegExp(
        `clock is (3600|3599|3601) seconds ${seconds > 0 ? 'ahead of' : 'behind'} the server’s: set it`,
      );
      for (const call of [() => store.open(key), () => keysBelow(store, 'blobs/')]) {
        await expect(call()).rejects.toMatchObject({ code: 'unavailable', retryable: false });
        await expect(call()).rejects.toThrow(text);
      }
      await expect(openS3Store({ ...options, endpoint: server.endpoint })).rejects.toThrow(text);
    });
  });

  it('refuses documents with entities, unparsed, from any call', async () => {
    const { proxy } = world;
    const faults = [
      { kind: 'answer', status: 403, body: bomb('Error', 'Code') },
      { kind: 'edit', edit: () => bomb('ListBucketResult', 'Name') },
    ] as const;
    for (const fault of faults) {
      proxy.mend();
      proxy.spoil({}, fault, { times: 9 });
      const error: unknown = await keysBelow(store, 'blobs/').catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'unavailable', retryable: false });
      expect(String(error).length).toBeLessThan(300);
      expect(proxy.asked).toHaveLength(1);
    }
    proxy.mend();
    proxy.spoil({ method: 'GET' }, faults[0]);
    await expect(store.open(blob(1).key)).rejects.toThrow('HTTP 403');
  });
});

function bomb(root: string, field: string): string {
  const lines = Array.from(
    { length: 9 },
    (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
  );
  return `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "boom">${lines.join('')}]><${root}><${field}>&e9;</${field}></${root}>`;
}
