import { request, type IncomingHttpHeaders } from 'node:http';
import fc from 'fast-check';
import { expect } from 'vitest';

import { readParts } from './multipart-reader.ts';

/** One range as a client asks for it. */
export type Spec = `${number}-${number}` | `${number}-` | `-${number}`;

/** Ranges around an object of `size` bytes: inside, across and past its end, empty, overlapping. */
export function anySpec(size: number): fc.Arbitrary<Spec> {
  const place = fc.nat(size + Math.ceil(size / 4) + 2);
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(place, fc.nat(Math.ceil(size / 8)))
        .map(([a, n]): Spec => `${a}-${a + n}`),
    },
    { weight: 2, arbitrary: fc.tuple(place, place).map(([a, b]): Spec => `${a}-${b}`) },
    { weight: 1, arbitrary: place.map((a): Spec => `${a}-`) },
    { weight: 1, arbitrary: place.map((n): Spec => `-${n}`) },
  );
}

/** First and last byte; undefined when the object has no byte of it (RFC 9110, 14.1.2). */
function resolveSpec(spec: Spec, size: number): readonly [number, number] | undefined {
  const [first = '', last = ''] = spec.split('-');
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? undefined : [start, end];
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request without any header that was not asked for. */
export function askPlainly(
  url: string,
  method: 'GET' | 'HEAD',
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers, agent: false }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.once('error', reject);
      res.once('end', () => {
        const { statusCode: status = 0, headers: got } = res;
        resolve({ status, headers: got, body: Buffer.concat(parts) });
      });
    });
    req.once('error', reject);
    req.end();
  });
}

/** Asks for the ranges and compares the answer with what the content says it must be. */
export async function expectRanges(url: string, content: Buffer, specs: readonly Spec[]) {
  const answer = await askPlainly(url, 'GET', { range: `bytes=${specs.join(', ')}` });
  const { status, headers, body } = answer;
  const size = content.length;
  const wanted = specs.map((spec) => resolveSpec(spec, size)).filter((one) => one !== undefined);
  const total = wanted.reduce((sum, [start, end]) => sum + end - start + 1, 0);
  const [first] = wanted;
  if (first === undefined) {
    expect([status, headers['content-range']]).toEqual([416, `bytes */${size}`]);
    return;
  }
  expect(headers['content-length']).toBe(String(body.length));
  if (total > 2 * size) {
    expect([status, headers['content-range']]).toEqual([200, undefined]);
    expect(body.equals(content)).toBe(true);
    return;
  }
  expect(status).toBe(206);
  if (specs.length === 1) {
    expect(headers['content-range']).toBe(`bytes ${first[0]}-${first[1]}/${size}`);
    expect(body.equals(content.subarray(first[0], first[1] + 1))).toBe(true);
    return;
  }
  expect(headers['content-range']).toBeUndefined();
  const parts = readParts(headers['content-type'] ?? null, body);
  expect(parts.map(({ start, end }) => [start, end])).toEqual(wanted);
  for (const part of parts) {
    expect([part.total, part.contentType]).toEqual([size, 'application/octet-stream']);
    expect(part.bytes.equals(content.subarray(part.start, part.end + 1))).toBe(true);
  }
}
