import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { deltaFolder, deltaPath } from '../../../../delta/ostree/checksum-base64.ts';
import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { applyStaticDelta } from '../../../../delta/ostree/static-delta/apply.ts';
import { formatSuperblock } from '../../../../delta/ostree/static-delta/format-superblock.ts';
import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import { noise, prose } from '../../support.ts';
import { fillTree, OSTREE, RealRepo } from '../real-repo.ts';
import { ArchiveRepo } from './archive-repo.ts';
import { MemorySink } from './memory-repo.ts';
import { deltaBytes, publish } from './publish.ts';

/** Bytes with one in `every` changed. */
function edited(bytes: Buffer, every: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = every; at < copy.length; at += every) copy[at] = (copy[at] ?? 0) ^ 0x5a;
  return copy;
}

describe.skipIf(OSTREE === undefined)('the ostree command', () => {
  let server: RealRepo;
  let repo: ArchiveRepo;
  let from: Checksum;
  let to: Checksum;
  const folders: string[] = [];

  beforeAll(() => {
    server = new RealRepo('archive');
    repo = new ArchiveRepo(server.path);
    fillTree(server.tree);
    const put = (path: string, content: Buffer, mode = 0o644): void => {
      const file = join(server.tree, path);
      writeFileSync(file, content);
      chmodSync(file, mode);
    };
    const [program, library, blob] = [noise(400_000, 1), noise(250_000, 2), noise(200_000, 3)];
    put('usr/bin/program', program, 0o755);
    put('usr/lib/libx.so.1.2', library);
    put('usr/lib/a.bin', blob);
    put('usr/lib/b.bin', noise(150_000, 4));
    put('etc/words', prose(100_000, 5));
    put('etc/mode', noise(50_000, 6));
    from = server.commit('main', '--subject=one');
    put('usr/bin/program', edited(program, 150), 0o755);
    put('usr/bin/program-again', edited(program, 150), 0o4755);
    rmSync(join(server.tree, 'usr/lib/libx.so.1.2'));
    put('usr/lib/libx.so.1.3', edited(library, 400));
    for (const part of ['a.bin', 'b.bin']) rmSync(join(server.tree, 'usr/lib', part));
    put('usr/lib/joined.bin', Buffer.concat([noise(150_000, 4), Buffer.from('between'), blob]));
    put('etc/words', Buffer.concat([prose(100_000, 5), prose(300, 7)]));
    put('etc/mode', noise(50_000, 6), 0o600);
    put('usr/lib/new-1', noise(90_000, 8));
    put('usr/lib/new-2', edited(noise(90_000, 8), 200));
    put('usr/lib/packed', noise(1_100_000, 9));
    mkdirSync(join(server.tree, 'opt/deep'), { recursive: true });
    put('opt/deep/empty', Buffer.alloc(0));
    symlinkSync('empty', join(server.tree, 'opt/deep/link'));
    put('opt/deep/secret', noise(3000, 10), 0o600);
    to = server.commit('main', '--subject=two');
  });

  afterAll(() => {
    server.remove();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** A client's repository that may hold the from-commit; pulls with deltas only; gives its tree. */
  function pull(mode: string, hasFrom: boolean): string {
    const folder = mkdtempSync(join(tmpdir(), 'rivulet-ostree-client-'));
    folders.push(folder);
    const ostree = (command: string, ...args: readonly string[]): string =>
      execFileSync(OSTREE ?? '', [command, `--repo=${folder}/repo`, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    ostree('init', `--mode=${mode}`);
    if (hasFrom) {
      ostree('pull-local', server.path, from);
      ostree('refs', '--create=origin:main', from);
    }
    ostree('remote', 'add', '--no-gpg-verify', 'origin', `file://${server.path}`);
    ostree('pull', '--require-static-deltas', 'origin', 'main');
    expect(ostree('rev-parse', 'origin:main').trim()).toBe(to);
    expect(ostree('fsck')).toMatch(/fsck: success|Verified|verifying/i);
    return ostree('ls', '-RC', 'origin:main').trim();
  }

  it.each(['bare', 'bare-user'])('pulls our delta into a repository of mode %s', async (mode) => {
    const built = await publish({ repo, ref: 'main', from, to });
    const codings = new Set(built.objects.map(({ coding, reason }) => `${reason ?? ''} ${coding}`));
    for (const coding of ['named patch', 'several-sources pieces', 'same-content pieces']) {
      expect(codings).toContain(coding);
    }
    for (const coding of ['same-part patch', 'incompressible fallback', ' symlink']) {
      expect(codings).toContain(coding);
    }
    expect(pull(mode, true)).toBe(server.run('ls', '-RC', to));
  });

  it('pulls our delta in many small parts, and one that travels in the superblock', async () => {
    const many = { partBytes: 20_000 };
    await publish({ repo, ref: 'main', from, to, options: many });
    expect(pull('bare-user', true)).toBe(server.run('ls', '-RC', to));
    const inline = { inlineBytes: 2 ** 24 };
    await publish({ repo, ref: 'main', from, to, options: inline });
    expect(pull('bare-user', true)).toBe(server.run('ls', '-RC', to));
  });

  it('pulls our delta from scratch', async () => {
    await publish({ repo, ref: 'main', from: undefined, to });
    expect(pull('bare-user', false)).toBe(server.run('ls', '-RC', to));
  });

  it.each([
    ['two commits', true, []],
    ['two commits, without bsdiff', true, ['--disable-bsdiff']],
    ['a commit from scratch', false, []],
    ['two commits, large objects loose', true, ['--min-fallback-size=1']],
    ['two commits, in big-endian', true, ['--set-endianness=B']],
    ['two commits, inline', true, ['--inline']],
  ])('makes a delta of %s that we apply', async (_name, hasFrom, options) => {
    const base = hasFrom ? from : undefined;
    rmSync(join(repo.folder, 'deltas'), { recursive: true, force: true });
    const args = hasFrom ? [`--from=${from}`] : ['--empty'];
    server.run('static-delta', 'generate', ...args, `--to=${to}`, ...options);
    const delta = { from: base, to };
    const superblock = parseSuperblock(
      readFileSync(join(repo.folder, deltaPath({ delta, file: 'superblock' }))),
    );
    expect(superblock).toMatchObject(delta);
    const sink = new MemorySink();
    await applyStaticDelta({
      superblock,
      readPart: (file) => [readFileSync(join(repo.folder, deltaPath({ delta, file })))],
      openBase: (checksum) => repo.file(checksum),
      sink,
      scratch: tmpdir(),
    });
    const loose = superblock.fallbacks.map(({ checksum }) => `file ${checksum}`);
    const known = new Set(
      (base === undefined ? [] : await repo.closure(base)).map((n) => `${n.kind} ${n.checksum}`),
    );
    const wanted = (await repo.closure(to))
      .map(({ kind, checksum }) => `${kind} ${checksum}`)
      .filter((name) => !known.has(name) && !name.startsWith('commit'));
    const made = new Set([...sink.objects, ...loose]);
    expect(wanted.filter((name) => !made.has(name))).toEqual([]);
    // What we read of it, written again, is the same delta.
    const again = formatSuperblock(superblock);
    expect(formatSuperblock(parseSuperblock(again)).equals(again)).toBe(true);
  });

  it('makes a larger delta of the same commits', async () => {
    rmSync(join(repo.folder, deltaFolder({ from, to })), { recursive: true, force: true });
    server.run('static-delta', 'generate', `--from=${from}`, `--to=${to}`);
    const theirs = deltaBytes(repo, from, to);
    rmSync(join(repo.folder, deltaFolder({ from, to })), { recursive: true, force: true });
    const built = await publish({ repo, ref: 'main', from, to });
    const ours = deltaBytes(repo, from, to) + built.fallbackBytes;
    process.stdout.write(`ostree's delta: ${theirs} bytes, ours: ${ours}\n`);
    expect(ours).toBeLessThan(theirs);
  });
});
