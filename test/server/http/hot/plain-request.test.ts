import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { plainRequest } from '../../../../server/http/hot/plain-request.ts';

const TARGET = '/v1/blobs/sha256:00ff';

function head(fields: readonly string[], line = `GET ${TARGET} HTTP/1.1`): string {
  return `${[line, ...fields].join('\r\n')}\r\n\r\n`;
}

describe('plainRequest', () => {
  it('takes a GET with fields that change nothing', () => {
    const fields = ['Host: [::1]:8480', 'User-Agent: till/1 (x; y)', 'accept-encoding: gzip', 'A:'];
    const whole = { target: TARGET, key: TARGET, range: undefined };
    expect(plainRequest(head(fields))).toEqual(whole);
    expect(plainRequest(head([...fields, 'Connection: Keep-Alive']))).toEqual(whole);
  });

  it.each([
    ['bytes=0-1', { first: 0, last: 1 }],
    [' bytes=5- ', { first: 5, last: undefined }],
    ['bytes=-9', { first: undefined, last: 9 }],
    ['bytes=7-3', { first: 7, last: 3 }],
  ])('takes the one range %j', (value, range) => {
    const key = `range ${TARGET}`;
    expect(plainRequest(head(['Host: h', `Range:${value}`]))).toEqual({
      target: TARGET,
      key,
      range,
    });
  });

  it.each([
    'Range: bytes=0-1,3-4',
    'Range: bytes=-',
    'Range: items=0-1',
    'Range: bytes = 0-1',
    'Range: bytes=0-1\r\nRange: bytes=0-1',
    'Range: bytes=0-1234567890123456',
    'If-None-Match: "x"',
    'If-Range: "x"',
    'Authorization: Bearer x',
    'Content-Length: 0',
    'Transfer-Encoding: chunked',
    'Expect: 100-continue',
    'Connection: close',
    'Connection: keep-alive, upgrade',
    'Upgrade: h2c',
    'X-Request-Id: abcdefgh',
    'Host: other',
    ' folded',
    'Bad Name: x',
    'Name : x',
    ': x',
    'X: \u00e9',
    'X: a\rb',
    'X: a\nb',
    'X: a\0b',
    'no colon',
  ])('leaves %j to node:http', (field) => {
    expect(plainRequest(head(['Host: h', field]))).toBeUndefined();
    expect(plainRequest(head([field, 'Host: h']))).toBeUndefined();
  });

  it.each([
    `HEAD ${TARGET} HTTP/1.1`,
    `get ${TARGET} HTTP/1.1`,
    `GET ${TARGET} HTTP/1.0`,
    `GET  ${TARGET} HTTP/1.1`,
    `GET ${TARGET}?x HTTP/1.1`,
    `GET ${TARGET}%41 HTTP/1.1`,
    `GET ${TARGET}#x HTTP/1.1`,
    `GET http://h${TARGET} HTTP/1.1`,
    'GET /metrics HTTP/1.1',
    'GET * HTTP/1.1',
    `GET ${TARGET} HTTP/1.1 `,
    `\r\nGET ${TARGET} HTTP/1.1`,
    `GET /v1/${'a'.repeat(600)} HTTP/1.1`,
  ])('leaves %j to node:http', (line) => {
    expect(plainRequest(head(['Host: h'], line))).toBeUndefined();
  });

  it('wants exactly one host, and exactly one request', () => {
    expect(plainRequest(head([]))).toBeUndefined();
    expect(plainRequest(head(['Host: a b']))).toBeUndefined();
    expect(plainRequest(head(['Host: a:b:c']))).toBeUndefined();
    const whole = head(['Host: h']);
    expect(plainRequest(whole + whole)).toBeUndefined();
    expect(plainRequest(`${whole}x`)).toBeUndefined();
  });

  it('takes no part of a request for a whole one', () => {
    const whole = head(['Host: h', 'Accept: */*']);
    for (let cut = 0; cut < whole.length; cut += 1) {
      expect(plainRequest(whole.slice(0, cut))).toBeUndefined();
    }
  });

  it('judges any bytes', () => {
    const bytes = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(bytes, bytes, (before, after) => {
        const found = plainRequest(`${before}${head(['Host: h'])}${after}`);
        expect(found === undefined || before + after === '').toBe(true);
      }),
    );
    const hostile = head([
      'Host: h',
      `X:${' '.repeat(3000)}\u0001`,
      ...Array<string>(200).fill('a:'),
    ]);
    expect(plainRequest(hostile)).toBeUndefined();
  });
});
