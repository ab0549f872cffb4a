import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FilezCache } from '../../../server/ostree/filez-cache.ts';
import { digestOf } from '../../../storage/digest.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';

const name = (digit: string) => parseOstreeChecksum(digit.repeat(64));
const bytes = Buffer.alloc(1000, 'x');

let folder: string;
let made: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-filez-'));
  made = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* make(what: string): AsyncGenerator<Buffer> {
  made.push(what);
  await Promise.resolve();
  yield bytes.subarray(0, 400);
  yield bytes.subarray(400);
}

/** Asks and reads; resolves to the digest. */
async function ask(cache: FilezCache, digit: string): Promise<string> {
  const { digest, file } = await cache.open(name(digit), () => make(digit));
  const read = Buffer.alloc(file.size);
  await file.read(read, 0, file.size, 0);
  await file.close();
  expect(digest).toBe(digestOf(read));
  return digest;
}

describe('FilezCache', () => {
  it('makes each once, however many ask at once', async () => {
    const cache = await FilezCache.open(folder, 10_000);
    await Promise.all(Array.from({ length: 20 }, (_, n) => ask(cache, n % 2 === 0 ? 'a' : 'b')));
    await ask(cache, 'a');
    expect(made.sort()).toEqual(['a', 'b']);
    expect(cache.bytes).toBe(2000);
  });

  it('drops the least recently asked for, and keeps within its bound', async () => {
    const cache = await FilezCache.open(folder, 2500);
    for (const digit of ['a', 'b', 'a', 'c']) await ask(cache, digit);
    expect(cache.bytes).toBe(2000);
    expect(await readdir(folder)).toHaveLength(2);
    for (const digit of ['a', 'c', 'b']) await ask(cache, digit);
    expect(made).toEqual(['a', 'b', 'c', 'b']);
  });

  it('serves what alone is more than the bound', async () => {
    const cache = await FilezCache.open(folder, 10);
    for (const digit of ['a', 'a', 'b', 'a']) await ask(cache, digit);
    expect(made).toEqual(['a', 'b', 'a']);
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('makes again what somebody removed', async () => {
    const cache = await FilezCache.open(folder, 10_000);
    await ask(cache, 'a');
    for (const file of await readdir(folder)) await rm(join(folder, file));
    await ask(cache, 'a');
    expect(made).toEqual(['a', 'a']);
    expect(cache.bytes).toBe(1000);
  });

  it('leaves nothing of one that fails, which the next one who asks tries again', async () => {
    const cache = await FilezCache.open(folder, 10_000);
    const fail = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(bytes);
      throw new Error('no more');
    };
    await expect(cache.open(name('a'), fail)).rejects.toThrow('no more');
    expect(await readdir(folder)).toEqual([]);
    await ask(cache, 'a');
    expect(made).toEqual(['a']);
  });

  it('leaves alone what another one in the folder made', async () => {
    const [one, two] = [
      await FilezCache.open(folder, 10_000),
      await FilezCache.open(folder, 10_000),
    ];
    await ask(one, 'a');
    await ask(two, 'a');
    expect(await readdir(folder)).toHaveLength(2);
  });
});
