import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { openCorpus } from '../../bench/engine/corpus.ts';
import { DEBIAN_PAIRS } from '../../bench/engine/debian-pairs.ts';
import { NPM_PAIRS } from '../../bench/engine/npm-pairs.ts';
import type { Pair, Source } from '../../bench/engine/pair.ts';
import { REFERENCES } from '../../bench/engine/reference.ts';
import { choosePairs } from '../../bench/engine/run-bench.ts';

const run = promisify(execFile);
const ALL = [...NPM_PAIRS, ...DEBIAN_PAIRS];
describe('the pinned pairs', () => {
  it('are named once, and pin two different files by their digests', () => {
    expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length);
    for (const pair of ALL) {
      expect(pair.old.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(pair.new.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(pair.new.sha256).not.toBe(pair.old.sha256);
    }
  });

  it('are public exactly when the design has figures for them', () => {
    const names = ALL.filter(({ isPublic }) => isPublic).map(({ name }) => name);
    expect(names.sort()).toEqual(Object.keys(REFERENCES).sort());
  });

  it('name the package of their machine in the Debian archives', () => {
    expect(DEBIAN_PAIRS.find(({ name }) => name === 'libc-arm64')?.old).toMatchObject({
      pool: 'pool/updates/main/g/glibc/libc6_2.36-9+deb12u7_arm64.deb',
      path: 'lib/aarch64-linux-gnu/libc.so.6',
    });
  });
});

describe('choosing pairs', () => {
  const names = (options: { only?: string[]; quick?: boolean; more?: boolean }): string[] =>
    choosePairs(ALL, { only: [], quick: false, more: false, ...options }).map(({ name }) => name);

  it('takes the public list, the quick ones, all, or those that are named', () => {
    expect(names({})).toHaveLength(19);
    expect(names({ more: true })).toHaveLength(ALL.length);
    expect(names({ quick: true })).toContain('esbuild-arm');
    expect(names({ quick: true })).not.toContain('node-x64');
    expect(names({ only: ['libssl-arm64'] })).toEqual(['libssl-arm64']);
  });

  it('refuses a name that is none', () => {
    expect(() => names({ only: ['libssl'] })).toThrow(/no pair libssl: there are esbuild-arm,/);
  });
});

describe('opening the corpus', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-corpus-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await rm(dir, { recursive: true, force: true });
  });

  function pairOf(name: string, old: string, fresh: string): Pair {
    const source = (text: string): Source => ({
      ...{ kind: 'npm', package: '@x/y', version: '1.0.0', path: 'z' },
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    return { name, isPublic: true, isQuick: true, old: source(old), new: source(fresh) };
  }

  it('keeps what is there with the right digest and leaves out, with why, what is not to be had', async () => {
    // Nothing can be fetched: no program is found.
    vi.stubEnv('PATH', dir);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await writeFile(join(dir, 'a.old'), 'one');
    await writeFile(join(dir, 'a.new'), 'four');
    await writeFile(join(dir, 'b.old'), 'one');
    await writeFile(join(dir, 'b.new'), 'changed since');
    const pairs = [pairOf('a', 'one', 'four'), pairOf('b', 'one', 'two')];
    const { files, skipped } = await openCorpus(pairs, dir);
    expect(files).toMatchObject([{ newFile: join(dir, 'a.new'), newBytes: 4 }]);
    expect(skipped).toMatchObject([
      { pair: 'b', reason: expect.stringContaining('npm') as string },
    ]);
    expect(await readFile(join(dir, 'b.new'), 'utf8')).toBe('changed since');
  });

  it('takes a fetched file only with the pinned digest', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await mkdir(join(dir, 'package'));
    await writeFile(join(dir, 'package', 'z'), 'published');
    await run('tar', ['-czf', join(dir, 'packed'), '-C', dir, 'package/z']);
    const npm = join(dir, 'npm');
    await writeFile(npm, `#!/bin/sh\ncp '${dir}/packed' "$5/y-1.0.0.tgz"\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${dir}:${process.env['PATH'] ?? ''}`);
    await writeFile(join(dir, 'a.old'), 'one');
    await writeFile(join(dir, 'b.old'), 'one');
    const pairs = [pairOf('a', 'one', 'published'), pairOf('b', 'one', 'pinned')];
    const { files, skipped } = await openCorpus(pairs, dir);
    expect(files.map(({ pair }) => pair.name)).toEqual(['a']);
    expect(await readFile(join(dir, 'a.new'), 'utf8')).toBe('published');
    expect(skipped).toMatchObject([
      { pair: 'b', reason: expect.stringMatching(/^@x\/y@1\.0\.0 z has sha256/) as string },
    ]);
    expect((await readdir(dir)).sort()).toEqual([
      'a.new',
      'a.old',
      'b.old',
      'npm',
      'package',
      'packed',
    ]);
  });

  it('fails when it has no pair at all', async () => {
    vi.stubEnv('PATH', dir);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await expect(openCorpus([pairOf('a', 'one', 'two')], dir)).rejects.toThrow(/no pair/);
  });
});
