import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { partBytes, PartFile } from '../../../delta/agent/part-file.ts';
import { digestOf } from '../../../storage/digest.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import { noise } from './sample-release.ts';

const BLOCK = 4096;
const BLOB = noise('part', 60 * BLOCK + 700);
const OF = { digest: digestOf(BLOB), size: BLOB.length };
/** What comes at once. */
const READ_BYTES = 3 * BLOCK;
const ETAG = '"v1"';

let dir: string;
let stem: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-part-'));
  stem = join(dir, 'sha256-part');
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Writes a range of the blob to a part, read by read. */
async function receive(part: PartFile, { start, endExclusive }: ByteRange): Promise<void> {
  for (let at = start; at < endExclusive; at += READ_BYTES) {
    await part.write(BLOB.subarray(at, Math.min(endExclusive, at + READ_BYTES)), at);
  }
}

/** A run that receives the blob's beginning and ends. */
async function begin(bytes: number): Promise<void> {
  const part = await PartFile.open(stem, OF);
  await part.restart(ETAG);
  await receive(part, { start: 0, endExclusive: bytes });
  await part.sync();
  await part.close();
}

/** A run that fills all holes: which they were. */
async function fill(): Promise<readonly (readonly [number, number])[]> {
  const part = await PartFile.open(stem, OF);
  const holes: (readonly [number, number])[] = [];
  try {
    if (part.etag === undefined) await part.restart(ETAG);
    for (let hole = part.hole; hole !== undefined; hole = part.hole) {
      holes.push([hole.start, hole.endExclusive]);
      await receive(part, hole);
    }
    expect(await part.finish()).toBe(true);
  } finally {
    await part.close();
  }
  expect((await readFile(stem)).equals(BLOB)).toBe(true);
  expect(await readdir(dir)).toEqual(['sha256-part']);
  return holes;
}

async function overwrite(path: string, at: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

const tear = (at: number, bytes: Buffer): Promise<void> => overwrite(`${stem}.part`, at, bytes);

describe('a part', () => {
  it('is filled, its digest checked, and leaves nothing beside it', async () => {
    expect(await fill()).toEqual([[0, BLOB.length]]);
  });

  it('goes on where an earlier run ended, in the middle of a block', async () => {
    await begin(10 * BLOCK + 100);
    expect(await partBytes(stem, OF)).toBe(10 * BLOCK + 100);
    expect(await fill()).toEqual([[10 * BLOCK + 100, BLOB.length]]);
  });

  it('keeps what surrounds a torn place and a page of zeros', async () => {
    await begin(BLOB.length - 10);
    await tear(5 * BLOCK + 1, Buffer.from('torn'));
    await tear(20 * BLOCK, Buffer.alloc(BLOCK));
    expect(await partBytes(stem, OF)).toBe(BLOB.length - 10 - 2 * BLOCK);
    expect(await fill()).toEqual([
      [5 * BLOCK, 6 * BLOCK],
      [20 * BLOCK, 21 * BLOCK],
      [BLOB.length - 10, BLOB.length],
    ]);
  });

  it('loses of a cut tail no more than a block', async () => {
    await begin(30 * BLOCK);
    await truncate(`${stem}.part`, 29 * BLOCK + 5);
    expect(await fill()).toEqual([[29 * BLOCK, BLOB.length]]);
  });

  it('lives through a power cut in each of several runs', async () => {
    await begin(30 * BLOCK);
    await tear(2 * BLOCK, Buffer.alloc(2 * BLOCK));
    const part = await PartFile.open(stem, OF);
    expect(part.hole).toEqual({ start: 2 * BLOCK, endExclusive: 4 * BLOCK });
    await receive(part, { start: 2 * BLOCK, endExclusive: 3 * BLOCK });
    await receive(part, { start: 30 * BLOCK, endExclusive: 40 * BLOCK });
    await part.sync();
    await part.close();
    await tear(35 * BLOCK, Buffer.alloc(BLOCK));
    await tear(10, Buffer.alloc(1, (BLOB[10] ?? 0) ^ 1));
    expect(await fill()).toEqual([
      [0, BLOCK],
      [3 * BLOCK, 4 * BLOCK],
      [35 * BLOCK, 36 * BLOCK],
      [40 * BLOCK, BLOB.length],
    ]);
  });

  it('is whole when nothing is missing, even if the last run died before it said so', async () => {
    await begin(BLOB.length);
    expect(await fill()).toEqual([]);
  });

  it('of reads of a few bytes has few sums', async () => {
    const part = await PartFile.open(stem, OF);
    await part.restart(ETAG);
    for (let at = 0; at < 10 * BLOCK; at += 7) await part.write(BLOB.subarray(at, at + 7), at);
    await part.sync();
    await part.close();
    expect((await stat(`${stem}.sums`)).size).toBeLessThanOrEqual(10 * 5 * 12);
    const end = Math.ceil((10 * BLOCK) / 7) * 7;
    expect(await fill()).toEqual([[end, BLOB.length]]);
  });

  it('drops bytes of one version before it takes those of another', async () => {
    await begin(10 * BLOCK);
    const part = await PartFile.open(stem, OF);
    expect(part.etag).toBe(ETAG);
    await part.restart('"v2"');
    expect([part.size, part.etag]).toEqual([0, undefined]);
    await part.close();
    expect(await fill()).toEqual([[0, BLOB.length]]);
  });

  it('begins anew when all bytes came and are not the blob', async () => {
    const other = Buffer.from(BLOB);
    other[9 * BLOCK] = (other[9 * BLOCK] ?? 0) ^ 1;
    const part = await PartFile.open(stem, OF);
    await part.restart(ETAG);
    await part.write(other, 0);
    expect(part.hole).toBeUndefined();
    expect(await part.finish()).toBe(false);
    await part.close();
  });
});

describe('the sums of a part', () => {
  const sums = (): string => `${stem}.sums`;

  it('that end in half a record: what they still tell is kept, and records go on after it', async () => {
    await begin(12 * BLOCK);
    await truncate(sums(), 9 * 12 + 5);
    const part = await PartFile.open(stem, OF);
    expect(part.hole).toEqual({ start: 9 * BLOCK, endExclusive: BLOB.length });
    await receive(part, { start: 9 * BLOCK, endExclusive: 20 * BLOCK });
    await part.sync();
    await part.close();
    expect(await fill()).toEqual([[20 * BLOCK, BLOB.length]]);
  });

  it('that tell of more than the part has: only what is there counts', async () => {
    await begin(12 * BLOCK);
    await truncate(`${stem}.part`, 3 * BLOCK);
    expect(await fill()).toEqual([[3 * BLOCK, BLOB.length]]);
  });

  it.each([
    ['zeros', Buffer.alloc(12 * 12)],
    ['garbage', noise('garbage', 12 * 12)],
    ['ones', Buffer.alloc(12 * 12, 0xff)],
  ])('that are %s tell nothing', async (_name, bytes) => {
    await begin(12 * BLOCK);
    await writeFile(sums(), bytes);
    expect(await partBytes(stem, OF)).toBe(0);
    expect(await fill()).toEqual([[0, BLOB.length]]);
  });

  it('whose middle is zeros tell of the others', async () => {
    await begin(12 * BLOCK);
    await overwrite(sums(), 4 * 12, Buffer.alloc(3 * 12));
    expect(await fill()).toEqual([
      [4 * BLOCK, 7 * BLOCK],
      [12 * BLOCK, BLOB.length],
    ]);
  });

  it('are made for the part of an older agent, which is trusted', async () => {
    await begin(12 * BLOCK + 3);
    await rm(sums());
    await writeFile(`${sums()}.tmp`, 'half of an earlier try');
    expect(await partBytes(stem, OF)).toBe(12 * BLOCK + 3);
    await (await PartFile.open(stem, OF)).close();
    await tear(4 * BLOCK, Buffer.alloc(10));
    expect(await fill()).toEqual([
      [4 * BLOCK, 5 * BLOCK],
      [12 * BLOCK + 3, BLOB.length],
    ]);
  });
});
