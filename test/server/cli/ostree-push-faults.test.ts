import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { parseChecksum, checksumOf } from '../../../delta/ostree/objects/checksum.ts';
import { formatCommit, parseCommit } from '../../../delta/ostree/objects/commit.ts';
import { objectPath, type ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import { RealRepo } from '../../delta/ostree/real-repo.ts';
import { seededBytes } from '../../clients/oci-image.ts';
import { startSeeingProxy, type SeeingProxy } from './ostree-proxy.ts';
import { OSTREE, pushedOf, startOstreeRig, type OstreeRig } from './ostree-rig.ts';

const REF = 'os/stable';
const MAIN = resolve(import.meta.dirname, '../../../dist/server/cli/main.js');

describe.skipIf(OSTREE === undefined)('rivulet push ostree: when something is wrong', () => {
  let rig: OstreeRig;
  let proxy: SeeingProxy;
  let repo: RealRepo;
  let commit = '';
  const source = (): string => `ostree:${repo.path}:${REF}`;

  beforeAll(async () => {
    rig = await startOstreeRig();
    proxy = await startSeeingProxy(rig.url);
    repo = new RealRepo('archive');
    const folder = join(repo.tree, 'many');
    mkdirSync(folder);
    for (let at = 0; at < 2500; at += 1) {
      writeFileSync(join(folder, `file-${at}`), seededBytes(`${at}`, 500));
    }
    commit = repo.commit(REF);
  });
  afterEach(() => {
    proxy.cut(0, 0);
    proxy.before = () => Promise.resolve();
  });
  afterAll(async () => {
    repo.remove();
    await proxy.close();
    await rig.close();
  });
  const pushThrough = (name: string, ...more: readonly string[]) =>
    rig.push(source(), name, '--json', '--server', proxy.url, ...more);
  const uploads = () => proxy.seen.filter(({ path }) => path.endsWith('/push/objects'));

  it('goes on after broken connections, with what is still missing', async () => {
    proxy.cut(2, 200_000);
    const before = uploads().length;
    const report = pushedOf(await pushThrough('cut'));
    expect(report).toMatchObject({ commit, sent: 2504, exists: 0 });
    expect(uploads().length - before).toBeGreaterThan(3);
    await rig.pull('cut', REF);
  });

  it('goes on where a push that was killed had come to', async () => {
    const arguments_ = [MAIN, 'push', source(), 'killed', '--server', proxy.url];
    const child = spawn(process.execPath, arguments_, { stdio: 'ignore' });
    // The third request begins when one of the first two is done.
    let begun = 0;
    proxy.before = ({ path }) => {
      if (path.endsWith('/push/objects') && (begun += 1) === 3) child.kill('SIGKILL');
      return Promise.resolve();
    };
    await once(child, 'exit');
    proxy.before = () => Promise.resolve();
    expect(await rig.ref('killed', REF)).toBeUndefined();
    const report = pushedOf(await pushThrough('killed'));
    expect(report.sent).toBeLessThanOrEqual(2504 - 1024);
    expect(report.sent + report.exists).toBe(2504);
    expect(await rig.ref('killed', REF)).toBe(commit);
  });

  it('refuses a ref that moved meanwhile, and names both commits', async () => {
    await rig.pushed(source(), 'moved');
    writeFileSync(join(repo.tree, 'later'), 'later');
    const later = repo.commit('later', '--no-bindings');
    writeFileSync(join(repo.tree, 'latest'), 'latest');
    const latest = repo.commit('latest', '--no-bindings');
    proxy.before = async ({ method, path }) => {
      if (method !== 'PUT' || !path.includes('/push/refs/')) return;
      proxy.before = () => Promise.resolve();
      await rig.pushed(`ostree:${repo.path}:later`, 'moved', '--branch', REF);
    };
    const late = ['--branch', REF, '--server', proxy.url] as const;
    const refused = await rig.push(`ostree:${repo.path}:latest`, 'moved', ...late);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^rivulet: the ref os\/stable of moved moved during .*\n$/);
    for (const one of [commit, later]) expect(refused.stderr).toContain(one);
    expect(await rig.ref('moved', REF)).toBe(later);

    const forced = await rig.push(`ostree:${repo.path}:latest`, 'moved', ...late, '--force');
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect(await rig.ref('moved', REF)).toBe(latest);
  });

  it.each(['archive', 'bare-user'] as const)(
    'refuses a damaged object of a repository of mode %s by name',
    async (mode) => {
      const damaged = new RealRepo(mode);
      try {
        writeFileSync(join(damaged.tree, 'good'), 'good');
        writeFileSync(join(damaged.tree, 'bad'), seededBytes('bad', 100_000));
        damaged.commit(REF);
        const path = damaged.objects().find((one) => isLarge(join(damaged.path, one))) ?? '';
        const bytes = readFileSync(join(damaged.path, path));
        bytes.writeUInt8(bytes.readUInt8(50_000) ^ 1, 50_000);
        writeFileSync(join(damaged.path, path), bytes);
        const { code, stderr } = await rig.push(`ostree:${damaged.path}:${REF}`, `bad/${mode}`);
        expect(code).toBe(3);
        expect(stderr).toMatch(/^rivulet: .*\n$/);
        const name = path.slice('objects/'.length).replace('/', '').slice(0, 64);
        expect(stderr).toContain(`${name}.file`);
        expect(await rig.ref(`bad/${mode}`, REF)).toBeUndefined();

        rmSync(join(damaged.path, path));
        const missing = await rig.push(`ostree:${damaged.path}:${REF}`, `bad/${mode}`);
        expect(missing.code).toBe(1);
        expect(missing.stderr).toContain(`${name}.filez`);
      } finally {
        damaged.remove();
      }
    },
  );

  it('refuses a name that is not UTF-8, naming the directory', async () => {
    const foreign = new RealRepo('archive');
    try {
      writeFileSync(join(foreign.tree, 'name'), 'content');
      const made = parseCommit(foreign.object({ kind: 'commit', checksum: foreign.commit(REF) }));
      // The real command refuses such names, other writers do not.
      const tree = Buffer.from(foreign.object({ kind: 'dirtree', checksum: made.tree }));
      tree.writeUInt8(0xff, tree.indexOf('name'));
      const treeSum = write(foreign, 'dirtree', tree);
      const commitSum = write(foreign, 'commit', formatCommit({ ...made, tree: treeSum }));
      const refused = await rig.push(
        `ostree:${foreign.path}:${commitSum}`,
        'foreign',
        '--branch',
        REF,
      );
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain(`${treeSum}.dirtree`);
      expect(refused.stderr).toContain('UTF-8');
      expect(await rig.ref('foreign', REF)).toBeUndefined();
    } finally {
      foreign.remove();
    }
  });

  it('says when the server is not there', async () => {
    const gone = await rig.push(source(), 'gone', '--server', 'http://127.0.0.1:1');
    expect(gone.code).toBe(1);
    expect(gone.stderr).toMatch(/^rivulet: http:\/\/127\.0\.0\.1:1 does not answer: .*\n$/);
  });
});

function isLarge(path: string): boolean {
  return readFileSync(path).length > 90_000;
}

function write(repo: RealRepo, kind: ObjectName['kind'], bytes: Buffer) {
  const checksum = parseChecksum(checksumOf(bytes));
  const path = join(repo.path, objectPath({ kind, checksum }));
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return checksum;
}
