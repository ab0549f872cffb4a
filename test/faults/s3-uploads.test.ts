import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ObjectStore } from '../../storage/object-store.ts';
import { needTool } from '../clients/require.ts';
import { blob, pieces, read } from '../suites/object-store.ts';
import { s3ErrorXml, type S3Fault, type S3Match } from './s3-fault-proxy.ts';
import { openS3World, type S3World } from './s3-world.ts';

const minio = needTool('minio');
/** Two parts of a multipart upload. */
const LARGE_BYTES = 17_000_000;

const error = (code: string, status: number, after?: true): S3Fault => ({
  kind: 'answer',
  status,
  body: s3ErrorXml(code),
  ...(after === true && { after }),
});

const BEGIN: S3Match = { method: 'POST', query: 'uploads' };
const PART: S3Match = { method: 'PUT', query: 'partNumber' };
const COMPLETE: S3Match = { method: 'POST', query: 'uploadId' };
const ABORT: S3Match = { method: 'DELETE', query: 'uploadId' };

describe.skipIf(minio === undefined)('multipart uploads to S3 that fail', () => {
  const { bytes, key, digest } = blob(LARGE_BYTES);
  const expected = { digest, size: LARGE_BYTES };
  let world: S3World;
  let store: ObjectStore;
  beforeAll(async () => {
    world = await openS3World(minio ?? '');
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    await world.direct.delete(key);
    store = await world.openStore();
  });

  /** A source that can be read once, as a client's request. */
  const once = (): Generator<Buffer> => pieces(bytes, 1_000_003);
  const whole = async (): Promise<boolean> => (await read(world.direct, key)).equals(bytes);

  it.each<readonly [string, S3Match, S3Fault]>([
    ['the beginning answers 500', BEGIN, error('InternalError', 500)],
    ['a part answers 503', PART, error('SlowDown', 503)],
    ['a part is damaged on its way', PART, { kind: 'flip', body: 'sent' }],
    ['a part is stored and its answer lost', PART, { kind: 'reset', when: 'after' }],
    ['the end is an error under 200', COMPLETE, error('InternalError', 200)],
    ['the end is done and its answer lost', COMPLETE, { kind: 'reset', when: 'after' }],
    ['the end is done and answered as failed', COMPLETE, error('InternalError', 200, true)],
  ])('succeed after all when %s', async (_name, match, fault) => {
    world.proxy.spoil(match, fault);
    expect(await store.put(key, once(), { expected })).toEqual({
      size: LARGE_BYTES,
      created: true,
    });
    expect(world.proxy.spoiled()).toBe(1);
    expect(await whole()).toBe(true);
    expect(await world.unfinished(key)).toEqual([]);
  });

  it.each<readonly [string, S3Match, S3Fault, string]>([
    ['the beginning', BEGIN, error('SlowDown', 503), 'asked for more than it can do'],
    ['a part', PART, error('InternalError', 500), 'InternalError'],
    ['the end', COMPLETE, error('InternalError', 200), 'InternalError'],
    ['the end, forgotten by the server', COMPLETE, error('NoSuchUpload', 404), 'send it again'],
  ])('leave nothing when %s fails for good', async (_name, match, fault, advice) => {
    world.proxy.spoil(match, fault, { times: 99 });
    await expect(store.put(key, once(), { expected })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(advice) as string,
    });
    expect(await world.direct.stat(key)).toBeUndefined();
    expect(await world.unfinished(key)).toEqual([]);
  });

  it('are sent once more when the server forgot them and the source can be read again', async () => {
    const { proxy } = world;
    proxy.spoil(COMPLETE, error('NoSuchUpload', 404));
    await store.put(key, [bytes], { expected });
    expect(await whole()).toBe(true);
    await world.direct.delete(key);
    proxy.spoil(COMPLETE, error('NoSuchUpload', 404));
    await store.put(key, once(), { expected, reopen: once });
    expect(await whole()).toBe(true);
    expect(proxy.spoiled()).toBe(2);
    expect(await world.unfinished(key)).toEqual([]);
  });

  it('are aborted again when the abort fails at first', async () => {
    const { proxy } = world;
    proxy.spoil(PART, error('AccessDenied', 403), { from: 2 });
    proxy.spoil(ABORT, error('SlowDown', 503), { times: 2 });
    await expect(store.put(key, once(), { expected })).rejects.toThrow('AccessDenied');
    expect(proxy.spoiled()).toBe(3);
    expect(await world.unfinished(key)).toEqual([]);
  });
});
