import fc from 'fast-check';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

import { multipartBoundary, readMultipart } from '../../../server/ostree/push/multipart.ts';

interface Part {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BOUNDARY = 'xYzZY';

function bodyOf(parts: readonly Part[]): Buffer {
  const lines = parts.flatMap(({ name, bytes }) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...lines, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}

async function readAll(source: AsyncIterable<Buffer>): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const { fileName, body } of readMultipart(source, BOUNDARY)) {
    parts.push({ name: fileName ?? '', bytes: await buffer(body) });
  }
  return parts;
}

const partsOf = fc.array(
  fc.record({
    name: fc.stringMatching(/^[a-z0-9.]{1,20}$/),
    bytes: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('readMultipart', () => {
  it('reads what was written, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(partsOf, fc.integer({ min: 1, max: 300 }), async (parts, size) => {
        expect(await readAll(cut(bodyOf(parts), size))).toEqual(parts);
      }),
      { numRuns: 60 },
    );
  });

  it('never takes a body that is cut off for a whole one', async () => {
    const body = bodyOf([
      { name: 'a', bytes: Buffer.from('one') },
      { name: 'b', bytes: Buffer.alloc(100_000, 'b') },
    ]);
    for (const length of [0, 1, 20, 70, 80, 150, 50_000, body.length - 8]) {
      const error = await readAll(cut(body.subarray(0, length), 4096)).catch((e: unknown) => e);
      expect(error, String(length)).toMatchObject({ code: 'invalid_body' });
    }
  });

  it('gives the parts before a fault of the source, then the fault', async () => {
    const body = bodyOf([
      { name: 'a', bytes: Buffer.from('one') },
      { name: 'b', bytes: Buffer.alloc(100_000, 'b') },
    ]);
    const source = async function* (): AsyncGenerator<Buffer> {
      yield body.subarray(0, 50_000);
      await Promise.resolve();
      throw new Error('gone');
    };
    const seen: string[] = [];
    const reading = async (): Promise<void> => {
      for await (const { fileName, body } of readMultipart(source(), BOUNDARY)) {
        await buffer(body);
        seen.push(fileName ?? '');
      }
    };
    await expect(reading()).rejects.toThrow('gone');
    expect(seen).toEqual(['a']);
  });

  it('goes on past a part that nobody reads, and ends with its reader', async () => {
    const parts = ['a', 'b', 'c'].map((name) => ({ name, bytes: Buffer.alloc(300_000, name) }));
    const names: (string | undefined)[] = [];
    for await (const { fileName } of readMultipart(cut(bodyOf(parts), 65_536), BOUNDARY)) {
      names.push(fileName);
    }
    expect(names).toEqual(['a', 'b', 'c']);
    for await (const { fileName } of readMultipart(cut(bodyOf(parts), 65_536), BOUNDARY)) {
      expect(fileName).toBe('a');
      break;
    }
  });
});

describe('multipartBoundary', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;charset=x; Boundary="a b;c"', 'a b;c'],
    ['multipart/mixed; boundary=----x', '----x'],
  ])('%s', (type, boundary) => {
    expect(multipartBoundary(type)).toBe(boundary);
  });

  it.each([
    undefined,
    '',
    'multipart/form-data',
    'multipart/related; boundary=a',
    `multipart/mixed; boundary=${'a'.repeat(80)}`,
  ])('refuses %s', (type) => {
    expect(() => multipartBoundary(type)).toThrow('send multipart/form-data');
  });
});
