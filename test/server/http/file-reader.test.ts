import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { HttpServer } from '../../../server/http/http-server.ts';
import { OpenFile } from '../../../server/http/open-file.ts';
import { sendFile } from '../../../server/http/send-blob.ts';
import { digestOf } from '../../../storage/digest.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { expectRanges, type Spec } from './expected-ranges.ts';
import { serve } from './rig.ts';

const content = seededBytes('file-reader', 2_000_000);

describe('many ranges of a file', () => {
  let dir = '';
  let server: HttpServer;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-file-reader-'));
    const path = join(dir, 'blob');
    await writeFile(path, content);
    server = await serve({
      routes: [
        async (x) => {
          const file = await OpenFile.open(path);
          if (file === undefined) return false;
          await sendFile(x, { digest: digestOf(content) }, file);
          return true;
        },
      ],
    });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await server.close(0);
    await rm(dir, { recursive: true, force: true });
  });

  async function readsOf(specs: readonly Spec[]): Promise<number> {
    const read = vi.spyOn(OpenFile.prototype, 'read');
    await expectRanges(server.url, content, specs);
    return read.mock.calls.length;
  }

  const ranges = (count: number, step: number, length: number): Spec[] =>
    Array.from({ length: count }, (_, n): Spec => `${n * step}-${n * step + length - 1}`);

  it('are read together where they are near', async () => {
    // 640,000 bytes in windows of 64 KiB; a window ends with the last range that is whole in it.
    expect(await readsOf(ranges(1024, 625, 100))).toBeLessThanOrEqual(12);
  });

  it('are read together where they overlap or come again', async () => {
    expect(await readsOf(Array<Spec>(500).fill('1000-1999'))).toBe(1);
    vi.restoreAllMocks();
    expect(await readsOf(ranges(500, 100, 400))).toBe(1);
  });

  it('are read one by one where they are far apart, or go back', async () => {
    expect(await readsOf(ranges(20, 90_000, 100))).toBe(20);
    vi.restoreAllMocks();
    expect(await readsOf(ranges(20, 90_000, 100).toReversed())).toBe(20);
  });

  it('are read without a detour where they are large', async () => {
    const read = vi.spyOn(OpenFile.prototype, 'read');
    await expectRanges(server.url, content, ranges(4, 200_000, 100_000));
    const lengths = read.mock.calls.map(([, , length]) => length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(400_000);
  });
});
