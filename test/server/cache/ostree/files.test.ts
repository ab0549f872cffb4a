import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';

import { digestHex, digestOf } from '../../../../storage/digest.ts';
import { mountSmallDisk } from '../../../support/small-disk.ts';
import { ask, MIB, noise, startTestCache, statusOf, tempFolder, until } from '../tools.ts';
import { FakeRepo } from './fake-repo.ts';

const BLOCK = `bytes=0-${MIB - 1}`;
const FILEZ = `objects/ab/${'c'.repeat(62)}.filez`;
const PART = `deltas/ab/${'A'.repeat(41)}/0`;
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The path of a metadata object with these bytes. */
function metadataPath(bytes: Buffer, kind = 'dirtree'): string {
  const hex = digestHex(digestOf(bytes));
  return `objects/${hex.slice(0, 2)}/${hex.slice(2)}.${kind}`;
}

function at(url: string, inside: string): string {
  return `${url}/ostree/fleet/os/${inside}`;
}

describe('small files', () => {
  it('cost one request, then none, and survive a restart without the origin', async () => {
    const repo = await FakeRepo.start();
    const data = await tempFolder();
    const tree = noise(2000);
    const path = metadataPath(tree);
    repo.files.set(path, tree);
    repo.files.set(FILEZ, noise(60_000, 2));
    const cache = await startTestCache(repo.origin.url, { data });
    for (const inside of [path, FILEZ, path, FILEZ]) {
      const { status, headers, body } = await ask(at(cache.url, inside));
      expect([status, body.equals(repo.files.get(inside) ?? tree)]).toEqual([200, true]);
      expect(headers['cache-control']).toBe(IMMUTABLE);
      expect(headers.etag).toBe(`"${digestOf(body)}"`);
    }
    expect(repo.asked).toEqual([`GET ${path} ${BLOCK}`, `GET ${FILEZ} ${BLOCK}`]);
    expect(await statusOf(cache.url)).toMatchObject({ objects: 0, bytes: 62_000 });
    await cache.close();
    await repo.origin.stop();
    const again = await startTestCache(repo.origin.url, { data });
    const range = await ask(at(again.url, FILEZ), { headers: { range: 'bytes=100-199' } });
    expect(range.status).toBe(206);
    expect(range.body.equals(noise(60_000, 2).subarray(100, 200))).toBe(true);
    const head = await ask(at(again.url, path), { method: 'HEAD' });
    expect([head.status, head.headers['content-length']]).toEqual([200, '2000']);
  });

  it('with wrong bytes are refused, and not kept', async () => {
    const repo = await FakeRepo.start();
    const tree = noise(2000);
    const path = metadataPath(tree);
    repo.files.set(path, noise(2000, 9));
    repo.files.set(FILEZ, noise(3000));
    repo.spoil = (bytes) => bytes.fill(7, 0, 1);
    const { url } = await startTestCache(repo.origin.url);
    for (const inside of [path, FILEZ]) {
      expect((await ask(at(url, inside))).status, inside).toBe(502);
    }
    repo.files.set(path, tree);
    repo.spoil = undefined;
    for (const inside of [path, FILEZ]) expect((await ask(at(url, inside))).status).toBe(200);
  });

  it('that the disk has spoilt are fetched again', async () => {
    const repo = await FakeRepo.start();
    const data = await tempFolder();
    repo.files.set(FILEZ, noise(3000));
    const cache = await startTestCache(repo.origin.url, { data });
    await ask(at(cache.url, FILEZ));
    await cache.close();
    const database = new BetterSqlite3(join(data, 'cache.sqlite'));
    database.prepare('update ostree_files set body = zeroblob(3000)').run();
    database.close();
    const { url } = await startTestCache(repo.origin.url, { data });
    expect((await ask(at(url, FILEZ))).body.equals(noise(3000))).toBe(true);
    expect(repo.asked).toHaveLength(2);
  });
});

describe('large files', () => {
  it('are filled from their path, once for all who want them, from the block that is there', async () => {
    const repo = await FakeRepo.start();
    const part = noise(3.5 * MIB);
    repo.files.set(PART, part);
    const { url } = await startTestCache(repo.origin.url);
    const answers = await Promise.all([1, 2, 3].map(() => ask(at(url, PART))));
    for (const { body } of answers) expect(body.equals(part)).toBe(true);
    expect(repo.sent).toBe(part.length);
    expect(answers[0]?.headers).toMatchObject({
      'cache-control': IMMUTABLE,
      etag: `"${digestOf(part)}"`,
    });
    await repo.origin.stop();
    const range = await ask(at(url, PART), { headers: { range: `bytes=${MIB - 5}-${MIB + 4}` } });
    expect(range.body.equals(part.subarray(MIB - 5, MIB + 5))).toBe(true);
    expect((await ask(at(url, PART))).body.equals(part)).toBe(true);
  });

  it('go on at the origin where the connection broke', async () => {
    const repo = await FakeRepo.start();
    const part = noise(3 * MIB);
    repo.files.set(PART, part);
    let cuts = 2;
    repo.spoil = (bytes) => {
      if (bytes.length === MIB || cuts === 0) return bytes;
      cuts -= 1;
      throw new Error('cut');
    };
    const { url } = await startTestCache(repo.origin.url);
    expect((await ask(at(url, PART))).body.equals(part)).toBe(true);
    expect(cuts).toBe(0);
  });

  it('with wrong bytes break off, and are not kept', async () => {
    const repo = await FakeRepo.start();
    repo.files.set(PART, noise(2 * MIB));
    repo.spoil = (bytes) => bytes.fill(7, 0, 1);
    const { url } = await startTestCache(repo.origin.url);
    await expect(ask(at(url, PART))).rejects.toThrow();
    repo.spoil = undefined;
    expect((await ask(at(url, PART))).body.equals(noise(2 * MIB))).toBe(true);
  });

  it('that the origin compressed anew meanwhile break off what was sent of them, and are fetched anew', async () => {
    const repo = await FakeRepo.start();
    const data = await tempFolder();
    repo.files.set(FILEZ, noise(3 * MIB));
    const cache = await startTestCache(repo.origin.url, { data });
    const range = { headers: { range: 'bytes=0-9' } };
    expect((await ask(at(cache.url, FILEZ), range)).status).toBe(206);
    const anew = noise(3 * MIB, 2);
    repo.files.set(FILEZ, anew);
    await expect(ask(at(cache.url, FILEZ))).rejects.toThrow();
    expect((await ask(at(cache.url, FILEZ))).body.equals(anew)).toBe(true);
  });

  it('larger than the budget pass through, and others are evicted for what is new', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url, { budgetBytes: 2.5 * MIB });
    repo.files.set(PART, noise(4 * MIB));
    expect((await ask(at(url, PART))).body.equals(noise(4 * MIB))).toBe(true);
    for (const seed of [2, 3, 4]) {
      const path = `deltas/ab/${'A'.repeat(41)}/${seed}`;
      repo.files.set(path, noise(1.2 * MIB, seed));
      expect((await ask(at(url, path))).body.equals(noise(1.2 * MIB, seed))).toBe(true);
    }
    await until(async () => Number((await statusOf(url))['bytes']) <= 2.5 * MIB);
    await repo.origin.stop();
    expect((await ask(at(url, `deltas/ab/${'A'.repeat(41)}/4`))).status).toBe(200);
    expect((await ask(at(url, `deltas/ab/${'A'.repeat(41)}/2`))).status).toBe(503);
  });
});

it('a full disk: files pass through without being kept', async ({ skip }) => {
  const data = join(await tempFolder(), 'full');
  await mkdir(data);
  const disk = mountSmallDisk(data, 4);
  if (disk === undefined) {
    skip();
    return;
  }
  onTestFinished(() => {
    disk.unmount();
  });
  const repo = await FakeRepo.start();
  const cache = await startTestCache(repo.origin.url, { data });
  repo.files.set(PART, noise(8 * MIB));
  const both = await Promise.all([1, 2].map(() => ask(at(cache.url, PART))));
  for (const { body } of both) expect(body.equals(noise(8 * MIB))).toBe(true);
  const path = (n: number): string => `objects/ab/${n.toString(16).padStart(62, '0')}.filez`;
  for (let n = 0; n < 100; n += 1) {
    repo.files.set(path(n), noise(60_000, n));
    expect((await ask(at(cache.url, path(n)))).body.equals(noise(60_000, n))).toBe(true);
  }
  await cache.close();
});

describe('what is not there', () => {
  it('is 404 while the origin says so, and 503 when it can not be asked', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    expect((await ask(at(url, FILEZ))).status).toBe(404);
    await repo.origin.stop();
    const gone = await ask(at(url, FILEZ));
    expect([gone.status, gone.headers['retry-after']]).toEqual([503, '5']);
  });

  it('is not asked for when its name is none', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const names = [
      'objects/ab/short.filez',
      `objects/ab/${'c'.repeat(62)}.tar`,
      `objects/AB/${'c'.repeat(62)}.commitmeta`,
      'deltas/..',
      'deltas/ab/cd/0',
      'delta-indexes/xx/short.index',
      'refs/heads/-os',
      'refs/heads/a//b',
      'refs/remotes/a',
      'objects/',
    ];
    for (const name of names)
      expect([name, (await ask(at(url, name))).status]).toEqual([name, 404]);
    expect(repo.asked).toEqual([]);
    expect((await ask(`${url}/ostree/Upper/config`)).status).toBe(400);
    expect((await ask(`${url}/ostree/fleet/os`)).status).toBe(404);
  });

  it('in one repository is not to be had through another', async () => {
    const repo = await FakeRepo.start();
    const tree = noise(2000);
    repo.files.set(metadataPath(tree), tree);
    const { url } = await startTestCache(repo.origin.url);
    expect((await ask(at(url, metadataPath(tree)))).status).toBe(200);
    const other = await ask(`${url}/ostree/fleet/other/${metadataPath(tree)}`);
    expect(other.status).toBe(404);
  });
});

it('nobody pushes through a cache: the answer names the origin', async () => {
  const repo = await FakeRepo.start();
  const { url } = await startTestCache(repo.origin.url);
  for (const [method, inside] of [
    ['POST', 'push/missing'],
    ['PUT', 'push/refs/os'],
    ['DELETE', 'push/refs/os'],
    ['PUT', 'config'],
  ] as const) {
    const { status, headers, body } = await ask(at(url, inside), { method });
    expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
    expect(JSON.parse(body.toString())).toMatchObject({
      code: 'method_not_allowed',
      origin: repo.origin.url,
      detail: `this is a read-only mirror: push to ${repo.origin.url}`,
    });
  }
  expect(repo.asked).toEqual([]);
});
