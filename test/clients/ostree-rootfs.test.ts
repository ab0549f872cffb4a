import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fillTree, RealRepo } from '../delta/ostree/real-repo.ts';
import { ostree, problemOf, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { makeTar, type TarSpec } from '../server/ostree/tar-file.ts';
import { runTool } from './run-tool.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');

const root: TarSpec = { name: './', type: '5', mode: 0o755 };
const dir = (name: string, more: Partial<TarSpec> = {}): TarSpec => ({
  name,
  type: '5',
  mode: 0o755,
  ...more,
});
const link = (name: string, target: string, more: Partial<TarSpec> = {}): TarSpec => ({
  name,
  type: '1',
  link: target,
  ...more,
});
const symlink = (name: string, target: string, more: Partial<TarSpec> = {}): TarSpec => ({
  name,
  type: '2',
  mode: 0o777,
  link: target,
  ...more,
});

const SAME: Readonly<Record<string, readonly TarSpec[]>> = {
  'no root': [{ name: 'a', data: 'x' }],
  nothing: [],
  'a root with an owner': [dir('./', { mode: 0o700, uid: 5, gid: 6 }), { name: './a' }],
  'a root called .': [dir('.', { mode: 0o700 }), { name: 'a' }],
  'absolute names': [dir('/', { mode: 0o711 }), { name: '/abs', data: 'x' }],
  'implied parents': [root, { name: './x/y/z', data: 'x' }],
  'a directory after what is in it': [{ name: './x/y' }, dir('./x', { mode: 0o700 })],
  'a directory twice': [root, dir('x'), { name: 'x/a' }, dir('x', { mode: 0o700 })],
  'a file twice': [root, { name: 'a', data: '1' }, { name: 'a', data: '2', mode: 0o600 }],
  'hard links': [
    root,
    { name: 'a', data: 'hi', mode: 0o4755, uid: 3 },
    link('b', 'a', { mode: 0o600 }),
    dir('s'),
    link('s/c', './a'),
  ],
  'a hard link before its target': [root, link('b', 'a'), { name: 'a', data: 'hi' }],
  'a hard link to a symlink': [root, symlink('l', 't'), link('b', 'l')],
  'a hard link by an absolute name': [root, { name: 'a', data: 'hi' }, link('b', '/a')],
  'a target that changes after the link': [
    root,
    { name: 'a', data: 'hi' },
    link('b', 'a'),
    { name: 'a', data: 'new' },
  ],
  'a file in a link’s place': [
    root,
    { name: 'a', data: 'hi' },
    link('b', 'a'),
    { name: 'b', data: 'other' },
  ],
  'symlinks with modes': [root, symlink('l', 't', { mode: 0o644, uid: 7 }), symlink('k', '../t')],
  'dots and doubled slashes': [root, dir('x'), { name: './/x/./a', data: 'x' }, { name: 'x//b' }],
  'special bits': [root, { name: 'a', mode: 0o7777 }, dir('t', { mode: 0o1777 })],
  'a type in the mode': [root, { name: 'a', mode: 0o104644 }, dir('d', { mode: 0o40755 })],
  'contiguous files': [root, { name: 'z', type: '7', data: 'hi' }],
  'a directory of old tars': [root, { name: 'z/', mode: 0o755 }],
  'no ASCII': [root, { name: 'é😀', data: '1' }, { name: 'z', pax: { path: '\uFF21' } }],
  'large owners': [root, { name: 'a', pax: { uid: '3000000000', gid: '5000000' } }],
  'long names and targets': [
    root,
    { name: 'x', pax: { path: `d/${'n'.repeat(200)}` } },
    symlink('l', 'm', { pax: { linkpath: 'm'.repeat(300) } }),
  ],
  xattrs: [
    dir('./', { pax: { 'SCHILY.xattr.user.root': 'r' } }),
    {
      name: 'a',
      data: 'hi',
      pax: {
        'SCHILY.xattr.user.zz': '1',
        'SCHILY.xattr.user.aa': '2',
        'SCHILY.xattr.security.capability': 'x',
      },
    },
    { name: 'b', pax: { 'LIBARCHIVE.xattr.user.foo': Buffer.from('bar').toString('base64') } },
    { name: 'c', pax: { 'RHT.security.selinux': 'system_u:object_r:etc_t:s0' } },
    symlink('l', 'a', { pax: { 'SCHILY.xattr.user.l': '1' } }),
    dir('d', { pax: { 'SCHILY.xattr.user.d': '1' } }),
  ],
};

const REFUSED: Readonly<Record<string, readonly [readonly TarSpec[], RegExp]>> = {
  'a device': [[root, { name: 'dev/null', type: '3' }], /"dev\/null" is a device/],
  'a fifo': [[root, { name: 'p', type: '6' }], /"p" is a device, a fifo/],
  'a sparse file': [[root, { name: 's', type: 'S' }], /sparse file "s"/],
  '..': [[root, { name: '../a' }], /an entry named "\.\."/],
  '.. inside': [[root, dir('x'), { name: 'x/../a' }], /an entry named "\.\."/],
  'a file over a directory': [
    [root, dir('a'), { name: 'a' }],
    /a file at "a", where it had a directory/,
  ],
  'a directory over a file': [
    [root, { name: 'a' }, dir('a')],
    /a directory at "a", where it had a file/,
  ],
  'a path through a symlink': [
    [root, symlink('l', '/etc'), { name: 'l/passwd' }],
    /a directory at "l", where it had a file/,
  ],
  'a link to nothing': [[root, link('b', 'zz')], /"b" leads to "zz", where no file is/],
  'a link to a directory': [[root, dir('dd'), link('b', 'dd')], /"b" leads to "dd"/],
  'a link to itself': [[root, link('b', 'b')], /"b" leads to "b"/],
  'a root that is a file': [[{ name: '.' }], /root is a file/],
  'a symlink to nothing': [[symlink('b', '')], /target of 0 bytes/],
};

describe('push/rootfs', () => {
  let rig: OstreeRig;
  let pusher: Pusher;

  beforeAll(async () => {
    rig = await startOstreeRig();
    pusher = new Pusher(rig.url);
  });
  afterAll(() => rig.close());

  const push = (tar: Buffer, ref: string, query = '&timestamp=1000&subject=s%20t&body=b') =>
    pusher.send('POST', `rootfs?ref=${ref}${query}`, tar);
  const commitOf = async (response: Response) => {
    const body = (await response.json()) as { commit?: string; detail?: string };
    expect(body.detail).toBeUndefined();
    return body.commit;
  };

  describe.skipIf(OSTREE === undefined)('beside the real command', () => {
    let real: RealRepo;
    beforeAll(() => {
      real = new RealRepo('archive');
    });
    afterAll(() => {
      real.remove();
    });

    const commit = (file: string, ref: string) =>
      real.run(
        'commit',
        `--branch=${ref}`,
        `--tree=tar=${file}`,
        '--tar-autocreate-parents',
        '--timestamp=@1000',
        '--subject=s t',
        '--body=b',
      );

    it.each(Object.entries(SAME))('the same commit: %s', async (name, specs) => {
      const ref = `tar/${Object.keys(SAME).indexOf(name)}`;
      const file = join(real.folder, 'rootfs.tar');
      writeFileSync(file, makeTar(specs));
      expect(await commitOf(await push(readFileSync(file), ref))).toBe(commit(file, ref));
    });

    it('the same commit of what GNU tar wrote, and a client pulls it; then its child', async () => {
      fillTree(real.tree);
      mkdirSync(join(real.tree, 'more'));
      for (let n = 0; n < 300; n += 1) writeFileSync(join(real.tree, 'more', `f${n}`), `file ${n}`);
      writeFileSync(join(real.tree, 'large'), randomBytes(20_000_000));
      const file = join(real.folder, 'whole.tar');
      for (const format of ['gnu', 'pax']) {
        await runTool('tar', [
          `--format=${format}`,
          '--xattrs',
          '--xattrs-include=*',
          '-C',
          real.tree,
          '-cf',
          file,
          '.',
        ]);
        const pushed = await commitOf(await push(readFileSync(file), 'os/whole'));
        expect(pushed).toBe(commit(file, 'os/whole'));
      }
      await ostree(rig.dir, 'init', '--repo=client', '--mode=bare-user');
      await ostree(rig.dir, 'remote', 'add', '--repo=client', '--no-gpg-verify', 'o', rig.url);
      await ostree(rig.dir, 'pull', '--repo=client', '--depth=-1', 'o', 'os/whole');
      await ostree(rig.dir, 'fsck', '--repo=client');
    });
  });

  it.each(Object.entries(REFUSED))('refuses %s, by name', async (_name, [specs, why]) => {
    const response = await push(makeTar(specs), 'bad');
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: 'bad_format',
      detail: expect.stringMatching(why) as string,
    });
    expect((await fetch(`${rig.url}/refs/heads/bad`)).status).toBe(404);
  });

  it('refuses what is no tar, or half of one', async () => {
    expect(await problemOf(await push(Buffer.from('no tar'), 'bad'))).toBe('422 bad_format');
    expect(await problemOf(await push(randomBytes(2048), 'bad'))).toBe('422 bad_format');
    const half = makeTar([root, { name: 'a', data: randomBytes(5000) }]).subarray(0, 3000);
    expect(await problemOf(await push(half, 'bad'))).toBe('422 bad_format');
    const lying = makeTar([{ name: 'a', pax: { size: '99999999999999' }, data: 'x' }]);
    expect(await problemOf(await push(lying, 'bad'))).toMatch(/^(422 bad_format|413 too_large)$/);
  });

  it('moves the ref only from where it was expected, each commit the child of the last', async () => {
    const tar = makeTar([root, { name: 'a', data: '1' }]);
    const first = await commitOf(await push(tar, 'cas', '&expected=none'));
    expect(await problemOf(await push(tar, 'cas', '&expected=none'))).toBe('409 conflict');
    expect(await problemOf(await push(tar, 'cas', `&expected=${'0'.repeat(64)}`))).toBe(
      '409 conflict',
    );
    const second = await commitOf(await push(tar, 'cas', `&expected=${first ?? ''}`));
    expect(second).not.toBe(first);
    expect(await (await fetch(`${rig.url}/refs/heads/cas`)).text()).toBe(`${second ?? ''}\n`);
  });

  it('refuses a query that it does not understand', async () => {
    for (const query of ['&subjekt=x', '&timestamp=soon', '&ref=twice', '&timestamp=-1']) {
      expect(await problemOf(await push(makeTar([root]), 'q', query))).toBe('400 bad_request');
    }
    expect(await problemOf(await push(makeTar([root]), '.hidden'))).toBe('400 invalid_name');
    expect(await problemOf(await pusher.send('POST', 'rootfs', ''))).toBe('400 bad_request');
  });
});
