import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { RepoMode } from '../../../delta/ostree/config.ts';
import { LocalRepo } from '../../../delta/ostree/local-repo.ts';
import { parseChecksum, type Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { objectFileName } from '../../../delta/ostree/objects/object-name.ts';
import { fillTree, RealRepo } from '../../delta/ostree/real-repo.ts';
import { OSTREE, startOstreeRig, type OstreeRig } from './ostree-rig.ts';

const REF = 'os/x86_64/stable';

describe.skipIf(OSTREE === undefined)('rivulet push ostree:', () => {
  let rig: OstreeRig;
  const repos: RealRepo[] = [];
  const newRepo = (mode: RepoMode): RealRepo => {
    const repo = new RealRepo(mode);
    repos.push(repo);
    fillTree(repo.tree);
    return repo;
  };
  beforeAll(async () => {
    rig = await startOstreeRig();
  });
  afterAll(async () => {
    for (const repo of repos) repo.remove();
    await rig.close();
  });

  // As for `LocalRepo`: bare-user-only keeps no owner and no setuid, so its commits are made for it.
  it.each<{ readonly mode: RepoMode; readonly options: readonly string[] }>([
    { mode: 'archive', options: [] },
    { mode: 'bare', options: [] },
    { mode: 'bare-user', options: [] },
    { mode: 'bare-user-only', options: ['--canonical-permissions'] },
  ])('pushes from a repository of mode $mode', async ({ mode, options }) => {
    const repo = newRepo(mode);
    const commit = repo.commit(REF, ...options);
    const wanted = await closure(repo.path, commit);
    const first = await rig.pushed(`ostree:${repo.path}:${REF}`, `fleet/${mode}`);
    expect(first).toMatchObject({ ref: REF, commit, before: null, exists: 0 });
    expect([first.objects, first.sent]).toEqual([wanted.size, wanted.size]);
    const pulled = await rig.pull(`fleet/${mode}`, REF);
    expect((await pulled.run('rev-parse', `origin:${REF}`)).trim()).toBe(commit);
    expect(await closure(pulled.path, commit)).toEqual(wanted);

    const again = await rig.pushed(`ostree:${repo.path}:${REF}`, `fleet/${mode}`);
    expect(again).toMatchObject({ commit, before: commit, sent: 0, bytes: 0 });
  });

  it('sends of a second commit only what changed', async () => {
    const repo = newRepo('archive');
    writeFileSync(join(repo.tree, 'usr/bin/huge'), randomBytes(3_000_000));
    const first = repo.commit(REF, '--no-bindings');
    await rig.pushed(`ostree:${repo.path}:${REF}`, 'fleet/second');
    appendFileSync(join(repo.tree, 'usr/lib/deep/er/zürich'), 'y');
    const second = repo.commit(REF, '--no-bindings');
    const news = await closure(repo.path, second);
    for (const name of await closure(repo.path, first)) news.delete(name);

    const report = await rig.pushed(`ostree:${repo.path}:${REF}`, 'fleet/second');
    // The commit, the four dirtrees above the file and the file.
    expect(news.size).toBe(7);
    expect(report).toMatchObject({ commit: second, before: first, sent: news.size });
    const sizes = [...news].map((name) => objectBytes(repo, name));
    expect(report.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    // Without its parent, unless that is asked for.
    await rig.pushed(`ostree:${repo.path}:${REF}`, 'fleet/only');
    const only = await fetch(`${rig.url}/ostree/fleet/only/${commitPath(first)}`);
    expect(only.status).toBe(404);
    const deep = await rig.pushed(
      `ostree:${repo.path}:${second}`,
      'fleet/deep',
      '--branch',
      'b',
      '--depth',
      'all',
    );
    expect(deep).toMatchObject({ ref: 'b', commit: second });
    const pulled = await rig.pull('fleet/deep', 'b', '--depth=-1');
    expect(await closure(pulled.path, first)).toEqual(await closure(repo.path, first));
  });

  it('says in words what it did', async () => {
    const repo = newRepo('archive');
    const commit = repo.commit('plain');
    const done = await rig.push(`ostree:${repo.path}:plain`, 'fleet/words', '--branch', 'other');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const [head, sent, note, end] = done.stdout.split('\n');
    expect([head, end]).toEqual([`pushed fleet/words other ${commit} (new)`, '']);
    expect(note).toContain('is for plain (ostree.ref-binding)');
    expect(sent).toMatch(/^ {2}\d+ objects sent \([\d.]+ kB\), 0 were there$/);
  });

  it.each(['plain', 'gzip'])('pushes from a tar of a repository, %s', async (kind) => {
    const repo = newRepo('archive');
    const commit = repo.commit(REF);
    const tar = join(repo.folder, `repo-${kind}.tar`);
    const flags = kind === 'gzip' ? '-czf' : '-cf';
    execFileSync('tar', [flags, tar, '-C', repo.folder, kind === 'gzip' ? './repo' : 'repo']);
    const report = await rig.pushed(`ostree-archive:${tar}:${REF}`, `fleet/tar-${kind}`);
    const wanted = await closure(repo.path, commit);
    expect(report).toMatchObject({ commit, sent: wanted.size });
    const pulled = await rig.pull(`fleet/tar-${kind}`, REF);
    expect(await closure(pulled.path, commit)).toEqual(wanted);
  });

  it("takes a commit's signatures along", async () => {
    const repo = newRepo('archive');
    const commit = repo.commit(REF);
    const meta = join(repo.path, `${commitPath(commit)}meta`);
    // One entry, `ostree.sign.ed25519`, as Debian's command can not make one itself.
    execFileSync('python3', ['-c', SIGN, meta]);
    await rig.pushed(`ostree:${repo.path}:${REF}`, 'fleet/signed');
    const answer = await fetch(`${rig.url}/ostree/fleet/signed/${commitPath(commit)}meta`);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(readFileSync(meta));
  });

  it('wants right use', async () => {
    const repo = newRepo('archive');
    const commit = repo.commit(REF);
    const source = `ostree:${repo.path}:${REF}`;
    const uses: readonly (readonly [string, string, ...string[]])[] = [
      [`ostree:${repo.path}`, 'fleet/os'],
      [source, 'fleet/os:tag'],
      [source, 'fleet/os', '--wait'],
      [source, 'fleet/os', '--depth', 'deep'],
      [source, 'fleet/os', '--subject', 'x'],
      [source, 'fleet/os', '--branch', '../x'],
      [`ostree:${repo.path}:${commit}`, 'fleet/os'],
      ['oci:dir:tag', 'fleet/os', '--branch', 'b'],
      ['nothing:there', 'fleet/os'],
    ];
    for (const use of uses) {
      const { code, stdout, stderr } = await rig.push(...use);
      expect({ use, code, stdout }).toEqual({ use, code: 2, stdout: '' });
      expect(stderr).toMatch(/^rivulet: .*\n$/);
    }
    const { stderr } = await rig.push('nothing:there', 'fleet/os');
    expect(stderr).toContain('ostree:REPO:REF');
    const absent = await rig.push(`ostree:${repo.path}:no/such`, 'fleet/os');
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain('no/such');
  });
});

const SIGN = `import sys
key, value, kind = b'ostree.sign.ed25519\\0', bytes(range(64)), b'\\0aay'
body = key + bytes(-len(key) % 8) + value + bytes([64]) + kind
open(sys.argv[1], 'wb').write(body + bytes([len(key), len(body) + 1]))
`;

async function closure(path: string, commit: string): Promise<Set<string>> {
  const repo = await LocalRepo.open(path);
  const names = new Set<string>();
  for await (const name of repo.walkCommit(parseChecksum(commit))) names.add(objectFileName(name));
  return names;
}

function objectBytes(repo: RealRepo, name: string): number {
  return readFileSync(join(repo.path, 'objects', name.slice(0, 2), name.slice(2))).length;
}

function commitPath(commit: Checksum): string {
  return `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`;
}
