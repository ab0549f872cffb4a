import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { named, REPO, STABLE } from '../../suites/catalog/names.ts';
import { pair } from '../../suites/catalog/pairs.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';

const CHILD = join(import.meta.dirname, 'catalog-child.ts');
const PAIRS = 40;

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rivulet-catalog-'));
  path = join(folder, 'catalog.sqlite');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function integrity(): unknown {
  const database = new BetterSqlite3(path);
  try {
    return [
      database.pragma('integrity_check', { simple: true }),
      database.pragma('foreign_key_check'),
    ];
  } finally {
    database.close();
  }
}

/** Lines of a child that ends by itself, as it should. */
async function linesOf(args: readonly string[]): Promise<readonly string[]> {
  const child = spawnTypescript(CHILD, args);
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(0);
  return lines;
}

/** Lets a writer go on for some acknowledged lines and kills it in the middle of what it does. */
async function killedWriter(name: string, afterLines: number): Promise<number> {
  const child = spawnTypescript(CHILD, ['write', path, name]);
  let acknowledged = -1;
  createInterface(child.stdout).on('line', (line) => {
    acknowledged = Number(line);
    if (acknowledged === afterLines) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return acknowledged;
}

test('processes open, migrate, plan and claim one file at once: each row once', async () => {
  const outputs = await Promise.all(
    ['w1', 'w2', 'w3'].map((owner) => linesOf(['claim', path, owner, String(PAIRS)])),
  );
  const numbers = (word: string) =>
    outputs.flat().flatMap((line) => (line.startsWith(word) ? [Number(line.split(' ')[1])] : []));
  expect(numbers('added').reduce((sum, n) => sum + n)).toBe(PAIRS);
  const claims = numbers('claimed');
  expect(claims).toHaveLength(PAIRS);
  expect(new Set(claims).size).toBe(PAIRS);
  expect(integrity()).toEqual(['ok', []]);
});

test('two connections of one process never claim the same row', async () => {
  const one = await openSqliteCatalog(path, Date.now);
  const two = await openSqliteCatalog(path, Date.now);
  try {
    await one.deltas.ensure(
      Array.from({ length: 20 }, (_, n) => pair(`v${n}`, 'new')),
      0,
    );
    const claims = await Promise.all(
      Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? one : two).deltas.claim('w', 60_000)),
    );
    const ids = claims.flatMap((claim) => (claim === undefined ? [] : [claim.delta.id]));
    expect(ids).toHaveLength(20);
    expect(new Set(ids).size).toBe(20);
  } finally {
    await one.close();
    await two.close();
  }
});

test('kill -9 in the middle of writing loses nothing that was acknowledged', async () => {
  for (const [round, lines] of [3, 29].entries()) {
    const name = `round ${round}`;
    const acknowledged = await killedWriter(name, lines);
    expect(integrity()).toEqual(['ok', []]);
    const catalog = await openSqliteCatalog(path, Date.now);
    try {
      for (let n = 0; n <= acknowledged; n += 1) {
        const layer = named(`${name} layer ${n}`);
        expect(await catalog.repositories.hasBlob(REPO, layer)).toBe(true);
        expect(await catalog.repositories.children(REPO, named(`${name} ${n}`))).toEqual([
          { digest: layer, kind: 'layer' },
        ]);
      }
      // Manifest, tag and release came together or not at all.
      const [newest] = await catalog.repositories.releases(REPO, STABLE, 1);
      expect(newest?.digest).toBe(await catalog.repositories.resolveTag(REPO, STABLE));
      const written = Array.from({ length: 1000 }, (_, n) => named(`${name} ${n}`));
      const last = written.findIndex((digest) => digest === newest?.digest);
      expect(last).toBeGreaterThanOrEqual(acknowledged);
    } finally {
      await catalog.close();
    }
  }
});
