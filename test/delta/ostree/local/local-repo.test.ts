import { chmodSync, lstatSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { RepoMode } from '../../../../delta/ostree/config.ts';
import { LocalRepo } from '../../../../delta/ostree/local-repo.ts';
import { isSymlink } from '../../../../delta/ostree/objects/file-header.ts';
import { parseChecksum, type Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { objectFileName } from '../../../../delta/ostree/objects/object-name.ts';
import { writeFilez } from '../../../../delta/ostree/objects/filez-write.ts';
import { rejectionOf } from '../code-of.ts';
import { collect } from '../collect.ts';
import { fillTree, OSTREE, RealRepo } from '../real-repo.ts';

const MODES: readonly RepoMode[] = ['archive', 'bare', 'bare-user', 'bare-user-only'];

describe.skipIf(OSTREE === undefined).each(MODES)('a local repository of mode %s', (mode) => {
  let real: RealRepo;
  let repo: LocalRepo;
  let commit: Checksum;

  beforeAll(async () => {
    real = new RealRepo(mode);
    fillTree(real.tree);
    // Neither fits in a bare-user-only repository.
    if (mode === 'bare-user-only') {
      chmodSync(join(real.tree, 'usr/bin/su'), 0o755);
      chmodSync(join(real.tree, 'tmp'), 0o755);
    }
    real.commit('main');
    writeFileSync(join(real.tree, 'new'), 'new');
    commit = real.commit('os/main');
    repo = await LocalRepo.open(real.path);
  });

  afterAll(() => {
    real.remove();
  });

  it('resolves refs and checksums', async () => {
    expect(repo.config.mode).toBe(mode);
    expect(await repo.resolveRef('os/main')).toBe(commit);
    expect(await repo.resolveRef(commit)).toBe(commit);
    real.run('refs', '--create=origin:os/main', commit);
    expect(await repo.resolveRef('origin:os/main')).toBe(commit);
    expect((await rejectionOf(repo.resolveRef('none'))).code).toBe('missing');
    for (const bad of ['../../config', 'a:b:c', '', ':', 'a/b:c', 'os/main^']) {
      const run = (async () => repo.resolveRef(bad))();
      expect((await rejectionOf(run)).code).toBe('bad_format');
    }
  });

  it('walks everything that a commit needs, once', async () => {
    const names: string[] = [];
    for await (const name of repo.walkCommit(commit)) names.push(objectFileName(name));
    expect(new Set(names).size).toBe(names.length);
    expect(names[0]).toBe(`${commit}.commit`);
    const other = await repo.resolveRef('main');
    const all: string[] = [...names];
    for await (const name of repo.walkCommit(other)) all.push(objectFileName(name));
    const extension = mode === 'archive' ? '.filez' : '.file';
    const stored = real
      .objects()
      .map((path) => path.slice('objects/'.length).replace('/', ''))
      .filter((name) => /\.(?:commit|dirtree|dirmeta|filez?)$/.test(name))
      .map((name) => (name.endsWith(extension) ? name.replace(/\.file$/, '.filez') : name));
    expect(new Set(all)).toEqual(new Set(stored));
  });

  it('gives every object as its name says, and as a pull into an archive has it', async () => {
    const archive = new RealRepo('archive');
    try {
      archive.run('pull-local', real.path, commit);
      for await (const name of repo.walkCommit(commit)) {
        if (name.kind === 'file') {
          const { header, size, content } = await repo.openFile(name.checksum);
          const bytes = await collect(content);
          expect(bytes.length).toBe(size);
          const filez = await collect(writeFilez({ header, size }, [bytes]));
          const theirs = archive.object(name);
          const headerBytes = 8 + filez.readUInt32BE(0);
          expect(filez.subarray(0, headerBytes)).toEqual(theirs.subarray(0, headerBytes));
        } else {
          expect(await repo.readMetadata(name.kind, name.checksum)).toEqual(archive.object(name));
        }
      }
    } finally {
      archive.remove();
    }
  });

  it('reads symlinks, modes and xattrs', async () => {
    const headers = [];
    for await (const name of repo.walkCommit(commit)) {
      if (name.kind !== 'file') continue;
      const file = await repo.openFile(name.checksum);
      headers.push(file.header);
      file.close();
    }
    const targets = headers.filter(isSymlink).map(({ target }) => target);
    expect(targets.sort()).toEqual(['/etc/ünknown/target', 'usr/bin']);
    if (mode === 'bare-user-only') return;
    expect(headers.map(({ mode }) => mode & 0o7777)).toContain(0o4755);
    const names = headers.flatMap(({ xattrs }) => xattrs.map(({ name }) => name.toString()));
    const expected = ['trusted.a', 'user.a', 'user.z'].filter((name) => {
      return name !== 'trusted.a' || process.getuid?.() === 0;
    });
    if (names.length > 0) expect(names.sort()).toEqual(expected);
  });

  it('has no commitmeta before the commit is signed', async () => {
    expect(await repo.readCommitmeta(commit)).toBeUndefined();
    const path = join(real.path, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commitmeta`);
    writeFileSync(path, 'x');
    expect(await repo.readCommitmeta(commit)).toEqual(Buffer.from('x'));
    rmSync(path);
  });

  it('names what is missing and what is broken', async () => {
    const absent = parseChecksum('0'.repeat(64));
    const readings = [() => repo.openFile(absent), () => repo.readMetadata('dirtree', absent)];
    for (const read of readings) {
      const fault = await rejectionOf(read());
      expect(fault.code).toBe('missing');
      expect(fault.message).toContain(absent);
    }
    const broken = parseChecksum('1'.repeat(64));
    const folder = join(real.path, 'objects', '11');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${broken.slice(2)}.dirmeta`), 'not that object');
    expect((await rejectionOf(repo.readMetadata('dirmeta', broken))).code).toBe('digest_mismatch');
    rmSync(join(folder, `${broken.slice(2)}.dirmeta`));
  });

  it('notices changed content', async () => {
    const large = real.objects().find((path) => {
      return /\.filez?$/.test(path) && lstatSync(join(real.path, path)).size > 100_000;
    });
    const path = large ?? '';
    const checksum = parseChecksum(
      path.replace('objects/', '').replace('/', '').split('.')[0] ?? '',
    );
    truncateSync(join(real.path, path), 100_000);
    const { content } = await repo.openFile(checksum);
    const { code } = await rejectionOf(collect(content));
    expect(code).toBe(mode === 'archive' ? 'bad_format' : 'digest_mismatch');
  });

  it('stops when its caller gives up', async () => {
    const controller = new AbortController();
    controller.abort();
    const run = collectNames(repo, commit, controller.signal);
    expect((await rejectionOf(run)).code).toBe('aborted');
  });
});

async function collectNames(repo: LocalRepo, commit: Checksum, signal: AbortSignal): Promise<void> {
  for await (const name of repo.walkCommit(commit, { signal })) expect(name.checksum).toBeDefined();
}

describe('a folder that is no repository', () => {
  it('is refused', async () => {
    expect((await rejectionOf(LocalRepo.open('/nonexistent'))).code).toBe('missing');
  });
});
