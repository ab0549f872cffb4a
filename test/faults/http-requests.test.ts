import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { RawConnection, type RawAnswer } from './raw-connection.ts';
import { LARGE, REPO, SMALL, startWholeOrigin, type WholeOrigin } from './whole-origin.ts';

let origin: WholeOrigin;
beforeAll(async () => {
  origin = await startWholeOrigin();
});
afterAll(async () => {
  await origin.close();
});

const get = (target: string, fields = ''): string =>
  `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
const put = (fields: string, body = ''): string =>
  `PUT /v2/${REPO}/manifests/x HTTP/1.1\r\nHost: h\r\n${fields}\r\n${body}`;

/**
 * Sends a request and then, if the connection is still there, a plain one that must get its own
 * answer: whatever the first was, the two ends still agree where a request begins.
 */
async function oneAnswer(text: string, method = 'GET'): Promise<RawAnswer> {
  const client = await RawConnection.open(origin.url);
  try {
    client.send(text);
    const answer = await client.answer(method);
    if (answer === undefined) throw new Error('the connection ended without an answer');
    expect(answer.headers['x-request-id']).toMatch(/^[\w.-]{8,64}$/);
    if (answer.headers['connection'] === 'close') {
      expect(await client.ended()).toBe(true);
      return answer;
    }
    client.send(get(`/v1/blobs/${origin.large}`, 'Range: bytes=7-9\r\n'));
    const next = await client.answer();
    expect(next).toMatchObject({ status: 206, body: LARGE.subarray(7, 10) });
    return answer;
  } finally {
    client.close();
  }
}

describe('odd requests that are right', () => {
  const blob = (): string => `/v1/blobs/${origin.small}`;
  const cases: Readonly<Record<string, () => string>> = {
    'HTTP/1.0': () => `GET ${blob()} HTTP/1.0\r\n\r\n`,
    'HTTP/1.0 with keep-alive': () => `GET ${blob()} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
    'an empty Host': () => `GET ${blob()} HTTP/1.1\r\nHost:\r\n\r\n`,
    'an IPv6 literal as Host': () => `GET ${blob()} HTTP/1.1\r\nHost: [::1]:8480\r\n\r\n`,
    'an absolute-form target': () => get(`http://elsewhere:1234${blob()}`),
    'an upgrade to h2c': () =>
      get(
        blob(),
        'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
      ),
    'an upgrade to a websocket': () => get(blob(), 'Connection: Upgrade\r\nUpgrade: websocket\r\n'),
    'an expectation nobody knows': () => get(blob(), 'Expect: magic\r\n'),
    'an escaped colon': () => get(blob().replace(':', '%3A')),
    'an escaped slash': () => get(`/v2/${REPO.replace('/', '%2F')}/blobs/${origin.small}`),
    'bytes beyond ASCII in a field': () => get(blob(), 'X-Name: \xe9\xff\r\n'),
    'ten thousand fields': () => get(blob(), 'X: a\r\n'.repeat(10_000)),
    'empty lines before': () => `\r\n\r\n${get(blob())}`,
    'a body nobody wants': () => `${get(blob(), 'Content-Length: 5\r\n')}hello`,
    'a body with the next request in it': () => {
      const inner = get('/v1/nothing');
      return `${get(blob(), `Content-Length: ${inner.length}\r\n`)}${inner}`;
    },
    'chunks nobody wants': () =>
      `${get(blob(), 'Transfer-Encoding: chunked\r\n')}5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n`,
  };

  it.each(Object.keys(cases))('answers %s', async (name) => {
    const answer = await oneAnswer(cases[name]?.() ?? '');
    expect(answer.status).toBe(200);
    expect(answer.body.equals(SMALL)).toBe(true);
  });

  it('sees the last of many fields', async () => {
    const many = `${'X: a\r\n'.repeat(9000)}Range: bytes=1-4\r\n`;
    const answer = await oneAnswer(get(`/v1/blobs/${origin.small}`, many));
    expect(answer).toMatchObject({ status: 206, body: SMALL.subarray(1, 5) });
  });
});

describe('requests that are wrong', () => {
  const cases: Readonly<Record<string, readonly [number, () => string]>> = {
    'no Host': [400, () => `GET /v1/blobs/${origin.small} HTTP/1.1\r\n\r\n`],
    'two Hosts': [
      400,
      () => `GET /v1/blobs/${origin.small} HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n`,
    ],
    'a Host with a path': [400, () => `GET /v2/ HTTP/1.1\r\nHost: a/b\r\n\r\n`],
    'a Host with a user': [400, () => `GET /v2/ HTTP/1.1\r\nHost: a@b\r\n\r\n`],
    'a Host with a space': [400, () => `GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n`],
    'an absolute form without sense': [400, () => get('http://[/v1')],
    'another scheme': [400, () => get('ftp://h/v2/')],
    'an asterisk': [400, () => 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'],
    CONNECT: [405, () => 'CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n'],
    'CONNECT with bytes after': [
      405,
      () => `CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n${get('/')}`,
    ],
    TRACE: [405, () => 'TRACE /v2/ HTTP/1.1\r\nHost: h\r\n\r\n'],
    'TRACE elsewhere': [404, () => 'TRACE / HTTP/1.1\r\nHost: h\r\n\r\n'],
    'a method in lower case': [400, () => `get /v2/ HTTP/1.1\r\nHost: h\r\n\r\n`],
    'the preface of HTTP/2': [400, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
    'HTTP/2.0 in text': [400, () => 'GET /v2/ HTTP/2.0\r\nHost: h\r\n\r\n'],
    'HTTP/1.2': [400, () => 'GET /v2/ HTTP/1.2\r\nHost: h\r\n\r\n'],
    'HTTP/0.9': [400, () => 'GET /v2/\r\n\r\n'],
    'the first bytes of TLS': [400, () => '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
    'dots in a digest': [400, () => get('/v1/blobs/%2e%2e/%2e%2e/etc/passwd')],
    'dots in a name': [400, () => get(`/v2/%2e%2e/blobs/${origin.small}`)],
    'overlong UTF-8': [400, () => get('/v2/%c0%ae%c0%ae/tags/list')],
    'half an escape': [400, () => get('/v2/a%2/tags/list')],
    'an escaped NUL': [400, () => get(`/v2/a%00b/blobs/${origin.small}`)],
    'a NUL': [400, () => get('/v2/a\0b/tags/list')],
    'a name beyond ASCII': [400, () => get('/v2/caf%C3%A9/tags/list')],
    'a target beyond ASCII': [400, () => get('/v2/caf\xe9/tags/list')],
    'two slashes first': [404, () => get(`//v1/blobs/${origin.small}`)],
    'bare LF': [400, () => `GET /v2/ HTTP/1.1\nHost: h\n\n`],
    'bare LF in a field': [400, () => get('/v2/', 'X: y\nZ: z\r\n')],
    'bare CR in a field': [400, () => get('/v2/', 'X: y\rZ: z\r\n')],
    'a folded field': [400, () => get('/v2/', 'X: y\r\n z\r\n')],
    'a space before the colon': [400, () => get('/v2/', 'X : y\r\n')],
    'a target of 1 MiB': [431, () => get(`/${'a'.repeat(1 << 20)}`)],
    'a field of 1 MiB': [431, () => get('/v2/', `X: ${'a'.repeat(1 << 20)}\r\n`)],
    'too many ranges': [
      400,
      () => get(`/v1/blobs/${origin.large}`, `Range: bytes=${'1-1,'.repeat(1024)}1-1\r\n`),
    ],
    'two lengths': [400, () => put('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')],
    'a list of lengths': [400, () => put('Content-Length: 5, 5\r\n', 'hello')],
    'a length and chunks': [
      400,
      () => put('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    ],
    'chunks and a length': [
      400,
      () => put('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    ],
    'a negative length': [400, () => put('Content-Length: -5\r\n')],
    'a signed length': [400, () => put('Content-Length: +5\r\n', 'hello')],
    'a hexadecimal length': [400, () => put('Content-Length: 0x5\r\n', 'hello')],
    'a length past 64 bits': [400, () => put(`Content-Length: ${'9'.repeat(30)}\r\n`)],
    'another transfer coding': [400, () => put('Transfer-Encoding: gzip\r\n', '0\r\n\r\n')],
    'chunks in chunks': [400, () => put('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n')],
    'chunks in HTTP/1.0': [
      400,
      () =>
        `PUT /v2/${REPO}/manifests/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ],
    'a chunk without a size': [400, () => put('Transfer-Encoding: chunked\r\n', 'zz\r\n')],
    'a chunk size past 64 bits': [
      400,
      () => put('Transfer-Encoding: chunked\r\n', `${'f'.repeat(17)}\r\n`),
    ],
    'a chunk that is longer than it says': [
      400,
      () => put('Transfer-Encoding: chunked\r\n', '2\r\nabcd\r\n0\r\n\r\n'),
    ],
  };

  it.each(Object.keys(cases))('refuses %s', async (name) => {
    const [status, text] = cases[name] ?? [0, () => ''];
    const answer = await oneAnswer(text());
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body.toString())).toBeTypeOf('object');
  });
});

describe('an origin on IPv6', () => {
  it('answers there, and says where an upload goes on', async () => {
    const other = await startWholeOrigin({ listen: '[::1]:0' });
    try {
      const { port } = new URL(other.url);
      expect(other.url).toBe(`http://[::1]:${port}`);
      const client = await RawConnection.open(other.url);
      const host = `Host: [::1]:${port}\r\n`;
      client.send(`GET /v1/blobs/${other.small} HTTP/1.1\r\n${host}\r\n`);
      expect((await client.answer())?.body.equals(SMALL)).toBe(true);
      client.send(`POST /v2/${REPO}/blobs/uploads/ HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`);
      const location = (await client.answer())?.headers['location'] ?? '';
      const target = new URL(location, other.url);
      expect(target.origin).toBe(other.url);
      target.searchParams.set('digest', other.small);
      const put = await fetch(target, { method: 'PUT', body: SMALL });
      expect(put.status).toBe(201);
      const place = new URL(put.headers.get('location') ?? '', other.url);
      expect(place.href).toBe(`${other.url}/v2/${REPO}/blobs/${other.small}`);
      client.close();
    } finally {
      await other.close();
    }
  });
});
