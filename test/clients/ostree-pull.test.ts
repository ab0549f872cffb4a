import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { objectPath } from '../../delta/ostree/objects/object-name.ts';
import { fillTree, RealRepo } from '../delta/ostree/real-repo.ts';
import { ostree, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { printVersion } from './client-rig.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/x86_64/stable';

function objectsOf(repo: string): readonly string[] {
  const folder = join(repo, 'objects');
  const paths = readdirSync(folder).flatMap((first) =>
    readdirSync(join(folder, first)).map((rest) => `objects/${first}/${rest}`),
  );
  return paths.sort();
}

describe.skipIf(OSTREE === undefined)('ostree pulls', () => {
  let rig: OstreeRig;
  let source: RealRepo;
  let commits: readonly string[];
  let clients = 0;

  beforeAll(async () => {
    rig = await startOstreeRig();
    printVersion('ostree', await ostree(rig.dir, '--version'));
    source = new RealRepo('archive');
    fillTree(source.tree);
    mkdirSync(join(source.tree, 'many'));
    for (let n = 0; n < 1000; n += 1)
      writeFileSync(join(source.tree, 'many', `f${n}`), `file ${n}`);
    writeFileSync(join(source.tree, 'large'), randomBytes(50_000_000));
    const first = source.commit(REF, '--subject=one', '--add-metadata-string=version=1.0');
    const pusher = new Pusher(rig.url);
    await pusher.push(source.path, REF, null);
    writeFileSync(join(source.tree, 'many', 'f7'), 'changed');
    const second = source.commit(REF, '--subject=two', '--add-metadata-string=version=2.0');
    await pusher.push(source.path, REF, first);
    commits = [first, second];
  });
  afterAll(async () => {
    source.remove();
    await rig.close();
  });

  /** A fresh repository with our server as its remote. */
  async function client(mode: string, ...options: string[]) {
    clients += 1;
    const dir = join(rig.dir, `client-${clients}`);
    mkdirSync(dir);
    const run = (command: string, ...args: string[]) =>
      ostree(dir, command, '--repo=repo', ...args);
    await run('init', `--mode=${mode}`);
    await run('config', 'set', 'core.fsync', 'false');
    await run('remote', 'add', '--no-gpg-verify', ...options, 'origin', rig.url);
    return run;
  }

  it.each(['bare-user', 'archive', 'bare'])('into %s, whole and sound', async (mode) => {
    const run = await client(mode);
    await run('pull', 'origin', REF);
    expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(commits[1]);
    await run('fsck');
  });

  it('into a mirror, every ref of the summary, each object the very one that was pushed', async () => {
    const run = await client('archive');
    await run('pull', '--mirror', '--depth=-1', 'origin');
    expect(await run('refs')).toBe(`${REF}\n`);
    await run('fsck');
    const pulled = join(rig.dir, `client-${clients}`, 'repo');
    expect(objectsOf(pulled)).toEqual(source.objects().sort());
  });

  it('the metadata of a commit alone', async () => {
    const run = await client('archive');
    await run('pull', '--commit-metadata-only', 'origin', REF);
    expect(await run('show', `origin:${REF}`)).toContain('two');
    await expect(run('ls', `origin:${REF}`, '/many')).rejects.toThrow();
  });

  it('history as deep as asked', async () => {
    const shallow = await client('archive');
    await shallow('pull', 'origin', REF);
    await expect(shallow('show', commits[0] ?? '')).rejects.toThrow(/Couldn't find|No such/);
    const deep = await client('archive');
    await deep('pull', '--depth=-1', 'origin', REF);
    expect(await deep('show', commits[0] ?? '')).toContain('one');
    await deep('fsck');
  });

  it('a folder alone', async () => {
    const run = await client('archive');
    await run('pull', '--subpath=/usr', 'origin', REF);
    expect(await run('ls', `origin:${REF}`, '/usr')).toContain('/usr/bin');
    await expect(run('ls', '-R', `origin:${REF}`, '/many')).rejects.toThrow();
  });

  it('one commit by its checksum, after the other', async () => {
    const run = await client('bare-user');
    await run('pull', 'origin', `${REF}@${commits[0] ?? ''}`);
    await run('pull', 'origin', `${REF}@${commits[1] ?? ''}`);
    expect(await run('diff', commits[0] ?? '', commits[1] ?? '')).toContain('/many/f7');
  });

  it('lists what the summary says', async () => {
    const run = await client('archive');
    expect(await run('remote', 'refs', 'origin')).toBe(`origin:${REF}\n`);
    const summary = await run('remote', 'summary', 'origin');
    expect(summary).toContain(commits[1]);
    expect(summary).toMatch(/Version \(ostree\.commit\.version\): 2\.0/);
    expect(summary).toContain('Repository Mode (ostree.summary.mode): archive-z2');
  });

  it('again, with what it has already: the summary is not sent twice', async () => {
    const run = await client('archive');
    await run('pull', 'origin', REF);
    await run('pull', 'origin', REF);
    expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(commits[1]);
  });

  it('what is pushed back is what was pulled', async () => {
    const run = await client('archive');
    await run('pull', '--mirror', 'origin', REF);
    const again = new Pusher(`${rig.origin.url}/ostree/copy/of/os`);
    const pulled = join(rig.dir, `client-${clients}`, 'repo');
    expect(await again.push(pulled, REF, null)).toBe(commits[1]);
    const object = await fetch(
      `${again.url}/${objectPath({ kind: 'commit', checksum: commits[1] as never })}`,
    );
    expect(object.status).toBe(200);
    expect(object.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it('says in plain words what is not there', async () => {
    const run = await client('archive');
    await expect(run('pull', 'origin', 'os/none')).rejects.toThrow(/No such branch|not found|404/);
    const missing = await fetch(`${rig.url}/refs/heads/os/none`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({
      code: 'not_found',
      detail: 'fleet/os has no ref os/none',
    });
  });
});
