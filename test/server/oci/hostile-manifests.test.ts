import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { Client, OCI_INDEX, OCI_MANIFEST, startRegistry, type RunningRegistry } from './rig.ts';

const MIB = 1024 * 1024;

describe('manifests that nobody should push', () => {
  let registry: RunningRegistry;
  let client: Client;
  let image = '';

  beforeAll(async () => {
    registry = await startRegistry('memory');
    client = new Client(registry.url, 'hostile');
    image = JSON.stringify(await client.makeImage());
  });
  afterAll(() => registry.close());

  /** Taken or refused with a reason; what was taken comes back byte for byte. */
  async function expectAnswered(bytes: Buffer, mediaType: string): Promise<number> {
    const put = await client.putManifest('hostile', bytes, mediaType);
    const text = await put.text();
    if (put.status === 201) {
      const got = await client.get(`manifests/${digestOf(bytes)}`);
      expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
      expect((await client.get('tags/list')).status).toBe(200);
    } else {
      expect(text).toMatch(/^\{"errors":\[\{"code":"[A-Z_]+","message":/);
      expect([400, 404, 413]).toContain(put.status);
    }
    return put.status;
  }

  const deep = (open: string, close: string, levels: number) =>
    open.repeat(levels) + close.repeat(levels);
  const withField = (field: string) => `${image.slice(0, -1)},${field}}`;

  it.each([
    ['brackets nested two million deep', (): string => deep('[', ']', 2 * MIB), 400],
    [
      'objects nested deep in a field that nobody knows',
      (): string => withField(`"x":${deep('{"a":', '}', 100_000).replace(':}', ':1}')}`),
      201,
    ],
    ['a number that no double holds', (): string => withField('"x":1e999999'), 201],
    [
      'a number of a hundred thousand digits',
      (): string => withField(`"x":${'9'.repeat(100_000)}`),
      201,
    ],
    [
      'a size of a hundred thousand digits',
      (): string => image.replace(/"size":\d+/, `"size":${'9'.repeat(100_000)}`),
      400,
    ],
    ['a size that is no integer', (): string => image.replace(/"size":\d+/, '"size":1.5'), 400],
    ['a negative size', (): string => image.replace(/"size":\d+/, '"size":-1'), 400],
    [
      'the version twice, the last one right',
      (): string => `{"schemaVersion":1,${image.slice(1)}`,
      201,
    ],
    ['the version twice, the last one wrong', (): string => withField('"schemaVersion":1'), 400],
    ['layers twice, the last one no list', (): string => withField('"layers":7'), 400],
    [
      '__proto__ and constructor',
      (): string => withField('"__proto__":{"layers":[]},"constructor":1'),
      201,
    ],
    [
      'annotations that are named __proto__',
      (): string => withField('"annotations":{"__proto__":"x"}'),
      201,
    ],
    ['a lone surrogate', (): string => withField('"x":"\\ud800"'), 201],
    ['a NUL in an annotation', (): string => withField('"annotations":{"a":"\\u0000"}'), 201],
    ['a byte order mark', (): string => `\ufeff${image}`, 201],
    ['nothing', (): string => '', 400],
    ['only null', (): string => 'null', 400],
    ['half of it', (): string => image.slice(0, image.length / 2), 400],
    ['bytes behind it', (): string => `${image}x`, 400],
    [
      'the same layer 20,000 times',
      (): string =>
        image.replace(
          /"layers":\[(.*?)\]/,
          (_all, one: string) =>
            `"layers":[${Array.from({ length: 20_000 }, (): string => one).join(',')}]`,
        ),
      201,
    ],
  ] as const)('%s', async (_what, text, expected) => {
    expect(await expectAnswered(Buffer.from(text()), OCI_MANIFEST)).toBe(expected);
  });

  it('bytes that are not UTF-8', async () => {
    const at = image.indexOf('"config"');
    const bytes = Buffer.concat([
      Buffer.from(`${image.slice(0, at)}"x":"`),
      Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
      Buffer.from(`",${image.slice(at)}`),
    ]);
    expect(await expectAnswered(bytes, OCI_MANIFEST)).toBe(400);
    expect(await expectAnswered(bytes, 'application/vnd.example+json')).toBe(201);
  });

  it('any JSON at all, and any change of a character, never breaks the registry', async () => {
    const types = fc.constantFrom(OCI_MANIFEST, OCI_INDEX, 'application/vnd.example+json');
    const changed = fc
      .tuple(fc.nat(image.length - 1), fc.string({ maxLength: 4 }))
      .map(([at, text]) => image.slice(0, at) + text + image.slice(at + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, fc.json()), types, async (text, type) => {
        await expectAnswered(Buffer.from(text), type);
      }),
      { numRuns: 150 },
    );
  });

  it('takes exactly 4 MiB and not a byte more, with and without Content-Length', async () => {
    for (const [size, expected] of [
      [4 * MIB, 201],
      [4 * MIB + 1, 413],
    ] as const) {
      const bytes: Buffer = Buffer.from(image + ' '.repeat(size - image.length));
      expect(await expectAnswered(bytes, OCI_MANIFEST)).toBe(expected);
      const streamed = await fetch(`${registry.url}${client.base}/manifests/streamed`, {
        method: 'PUT',
        headers: { 'content-type': OCI_MANIFEST },
        body: Readable.toWeb(Readable.from([bytes.subarray(0, MIB), bytes.subarray(MIB)])),
        duplex: 'half',
      });
      expect(streamed.status).toBe(expected);
      await streamed.arrayBuffer();
    }
  });
});
