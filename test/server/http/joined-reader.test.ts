import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { sendBlob } from '../../../server/http/send-blob.ts';
import { digestOf } from '../../../storage/digest.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { readParts } from './multipart-reader.ts';
import { serve } from './rig.ts';

const content = seededBytes('joined', 2_000_000);

/** Asks a server over a slow store for ranges; returns the parts and what the store was asked for. */
async function ask(ranges: readonly (readonly [number, number])[], pieceBytes = 10_007) {
  const opened: ByteRange[] = [];
  const streams: Readable[] = [];
  const server = await serve({
    routes: [
      async (x) => {
        await sendBlob(x, {
          digest: digestOf(content),
          size: content.length,
          open: (range) => {
            opened.push(range);
            const stream = Readable.from(pieces(range, pieceBytes));
            streams.push(stream);
            return Promise.resolve(stream);
          },
        });
        return true;
      },
    ],
  });
  const header = `bytes=${ranges.map(([start, end]) => `${start}-${end}`).join(',')}`;
  const response = await fetch(server.url, { headers: { range: header } });
  const body = Buffer.from(await response.arrayBuffer());
  await server.close();
  expect(streams.every((stream) => stream.destroyed)).toBe(true);
  return { parts: readParts(response.headers.get('content-type'), body), opened };
}

function* pieces({ start, endExclusive }: ByteRange, bytes: number): Generator<Buffer> {
  for (let at = start; at < endExclusive; at += bytes) {
    yield content.subarray(at, Math.min(at + bytes, endExclusive));
  }
}

describe('many ranges of a remote store', () => {
  it('become one read where they follow each other closely', async () => {
    const near = Array.from({ length: 200 }, (_, i) => [i * 1000, i * 1000 + 99] as const);
    expect((await ask(near)).opened).toEqual([{ start: 0, endExclusive: 199_100 }]);
  });

  it('stay apart over a wide gap, and when they go back', async () => {
    const { opened } = await ask([
      [0, 9],
      [500_000, 500_009],
      [100, 109],
      [105, 120],
    ]);
    expect(opened).toEqual([
      { start: 0, endExclusive: 10 },
      { start: 500_000, endExclusive: 500_010 },
      { start: 100, endExclusive: 110 },
      { start: 105, endExclusive: 121 },
    ]);
  });

  it('are the slices asked for, in their order, whatever their places', async () => {
    const range = fc.tuple(fc.nat(1_990_000), fc.nat(9_000));
    const asked = fc.array(range, { minLength: 2, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(asked, fc.integer({ min: 1000, max: 70_000 }), async (places, size) => {
        const ranges = places.map(([start, more]) => [start, start + more] as const);
        const { parts } = await ask(ranges, size);
        expect(parts.map(({ start, end }) => [start, end])).toEqual(ranges);
        for (const { start, end, bytes } of parts) {
          expect(bytes.equals(content.subarray(start, end + 1))).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });
});
