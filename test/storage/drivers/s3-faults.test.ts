import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openS3Store } from '../../../storage/drivers/s3.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { blob, collect, read } from '../../suites/object-store.ts';

// A server that misbehaves on purpose, as no MinIO will on request. What is right in S3 is tested
// against a real one (s3.test.ts).
const LIST = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const UPLOADS =
  '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>';
const FAULT = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>later</Message></Error>';

type Handler = (request: IncomingMessage, url: URL, response: ServerResponse) => boolean;

describe('s3 store before a server with faults', () => {
  let server: Server;
  let endpoint: string;
  let handler: Handler;
  let seen: string[];

  beforeEach(async () => {
    seen = [];
    handler = () => false;
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      seen.push(`${request.method ?? ''} ${url.pathname}`);
      if (handler(request, url, response)) return;
      request.resume();
      if (url.searchParams.has('list-type')) response.end(LIST);
      else if (url.searchParams.has('uploads')) response.end(UPLOADS);
      else response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    endpoint = `http://127.0.0.1:${address.port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const options = (): Parameters<typeof openS3Store>[0] => ({
    endpoint,
    bucket: 'bucket',
    region: 'us-east-1',
    accessKey: 'access-key-id',
    secretKey: 'secret-key-text',
    prefix: '',
    patience: { baseDelayMs: 1 },
  });
  const openStore = async (next: Handler): Promise<ObjectStore> => {
    const store = await openS3Store(options());
    seen = [];
    handler = next;
    return store;
  };
  const { bytes, key } = blob(1000);

  it('tries a read again after a 503', async () => {
    let failures = 2;
    const store = await openStore((_request, _url, response) => {
      failures -= 1;
      if (failures >= 0) response.writeHead(503).end(FAULT);
      else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      return true;
    });
    expect(await read(store, key)).toEqual(bytes);
    expect(seen).toHaveLength(3);
  });

  it('gives up soon when the server goes on failing, with its code', async () => {
    const store = await openStore((_request, _url, response) => {
      response.writeHead(503).end(FAULT);
      return true;
    });
    const failure = {
      code: 'unavailable',
      retryable: true,
      message: expect.stringContaining('SlowDown') as string,
    };
    await expect(store.open(key)).rejects.toMatchObject(failure);
    await expect(store.list('blobs/')[Symbol.asyncIterator]().next()).rejects.toMatchObject(
      failure,
    );
    await expect(store.stat(key)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.delete(key)).rejects.toMatchObject(failure);
    await expect(store.put(key, [bytes])).rejects.toMatchObject({ code: 'unavailable' });
    // Five calls, five tries each.
    expect(seen).toHaveLength(25);
  });

  it('shows no credentials in any error', async () => {
    const store = await openStore((_request, _url, response) => {
      response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
      return true;
    });
    const error: unknown = await store.open(key).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'unavailable', retryable: false });
    expect(JSON.stringify([String(error), error])).not.toMatch(
      /access-key-id|secret-key-text|Signature=/,
    );
  });

  it('ends calls that hang when the signal fires, and their connections', async () => {
    const closed: Promise<unknown>[] = [];
    const store = await openStore((request) => {
      closed.push(once(request.socket, 'close'));
      setTimeout(() => {
        abort.abort();
      }, 10);
      return true;
    });
    let abort = new AbortController();
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => store.open(key, { signal }),
      (signal) => store.stat(key, { signal }),
      (signal) => store.delete(key, { signal }),
      (signal) => store.put(key, [bytes], { signal }),
      (signal) => store.list('blobs/', { signal })[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) {
      abort = new AbortController();
      await expect(call(abort.signal)).rejects.toMatchObject({ code: 'aborted' });
    }
    expect(closed).toHaveLength(calls.length);
    await Promise.all(closed);
  });

  it('ends a body that breaks off again and again as a broken stream', async () => {
    const store = await openStore((request, _url, response) => {
      if (request.headers.range === undefined) {
        response.writeHead(200, { etag: '"e"', 'content-length': 1000 });
        response.write(bytes.subarray(0, 500), () => response.destroy());
      } else {
        expect(request.headers).toMatchObject({ range: 'bytes=500-999', 'if-match': '"e"' });
        response.writeHead(206, { 'content-length': 500, 'content-range': 'bytes 500-999/1000' });
        response.flushHeaders();
        setTimeout(() => response.destroy(), 5);
      }
      return true;
    });
    await expect(collect(await store.open(key))).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
    });
    expect(seen).toHaveLength(5);
  });

  it('refuses an answer without a length, and a whole object for a range', async () => {
    const store = await openStore((request, _url, response) => {
      if (request.headers.range === undefined) response.write(bytes);
      else response.writeHead(200, { 'content-length': bytes.length });
      response.end();
      return true;
    });
    await expect(store.open(key)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.open(key, { range: { start: 1, endExclusive: 9 } })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it.each([
    ['a page of a proxy', 502, '<html><body>Bad Gateway', 'unavailable', 'HTTP 502'],
    [
      'a full disk',
      507,
      '<Error><Code>XMinioStorageFull</Code></Error>',
      'no_space',
      'XMinioStorageFull',
    ],
    ['a bomb', 400, bomb(), 'unavailable', 'HTTP 400'],
    [
      'a flood',
      400,
      `<Error><Code>${'x'.repeat(300_000)}</Code></Error>`,
      'unavailable',
      'HTTP 400',
    ],
    [
      'a missing bucket',
      404,
      '<Error><Code>NoSuchBucket</Code></Error>',
      'unavailable',
      'NoSuchBucket',
    ],
    ['a missing key', 404, '<Error><Code>NoSuchKey</Code></Error>', 'missing', 'NoSuchKey'],
  ])('understands %s', async (_name, status, body, code, text) => {
    const store = await openStore((_request, _url, response) => {
      response.writeHead(status).end(body);
      return true;
    });
    await expect(store.open(key)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text) as string,
    });
  });

  it('takes an error under 200 for what it is, and aborts the upload', async () => {
    const store = await openStore((request, url, response) => {
      request.resume();
      if (request.method === 'HEAD' || url.searchParams.has('list-type')) return false;
      if (url.searchParams.has('uploads')) {
        response.end(
          '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>',
        );
      } else if (request.method === 'POST')
        response.end('<Error><Code>InternalError</Code></Error>');
      else response.writeHead(200, { etag: '"e"' }).end();
      return true;
    });
    const large = blob(17_000_000);
    await expect(store.put(large.key, [large.bytes])).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(seen.at(-1)).toBe(`DELETE /bucket/${large.key}`);
  });

  it('aborts multipart uploads older than a day when it opens', async () => {
    const upload = (name: string, ageMs: number): string =>
      `<Upload><Key>blobs/${name}</Key><UploadId>u</UploadId><Initiated>${new Date(Date.now() - ageMs).toISOString()}</Initiated></Upload>`;
    handler = (request, url, response) => {
      if (request.method === 'DELETE') response.writeHead(204).end();
      else if (!url.searchParams.has('uploads')) return false;
      else {
        const list = upload('old', 25 * 3_600_000) + upload('new', 3_600_000);
        response.end(UPLOADS.replace('</ListM', `${list}</ListM`));
      }
      return true;
    };
    await openS3Store(options());
    expect(seen.filter((line) => line.startsWith('DELETE'))).toEqual(['DELETE /bucket/blobs/old']);
  });

  it('says so when nobody answers', async () => {
    await expect(
      openS3Store({ ...options(), endpoint: 'http://127.0.0.1:1' }),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it.each(['nonsense', 'ftp://host', 'http://user:pass@host', 'http://host/path'])(
    'refuses the endpoint %s without repeating it',
    async (bad) => {
      const error: unknown = await openS3Store({ ...options(), endpoint: bad }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'invalid_name' });
      expect(String(error)).not.toContain('pass@');
    },
  );
});

function bomb(): string {
  const lines = Array.from(
    { length: 9 },
    (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
  );
  return `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "boom">${lines.join('')}]><Error><Code>&e9;</Code></Error>`;
}
