import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { makeTar, type TarSpec } from '../../../server/ostree/tar-file.ts';
import { treeOf } from './tree-of.ts';

const pathsOf = async (specs: readonly TarSpec[]): Promise<readonly string[]> => [
  ...(await treeOf(makeTar(specs))).keys(),
];

describe('the tree of a tar', () => {
  it('is empty for an empty one: a root of the default', async () => {
    const tree = await treeOf(makeTar([]));
    expect([...tree]).toEqual([['/', { uid: 0, gid: 0, mode: 0o40755, xattrs: [] }]]);
  });

  it.each([
    'usr/bin/tool',
    './usr/bin/tool',
    '/usr/bin/tool',
    'usr//bin/./tool',
    './/usr/bin/tool',
  ])('has %j at its place, with the directories that the tar does not name', async (name) => {
    const tree = await treeOf(makeTar([{ name, data: 'x', mode: 0o4755, uid: 7, gid: 8 }]));
    expect([...tree.keys()]).toEqual(['/', '/usr/', '/usr/bin/', '/usr/bin/tool']);
    expect(tree.get('/usr/')).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
    expect(tree.get('/usr/bin/tool')).toMatchObject({ uid: 7, mode: 0o104755, content: 'x' });
  });

  it('takes what the tar says of a directory, before or after what is in it', async () => {
    const tree = await treeOf(
      makeTar([
        { name: 'late/file', data: '' },
        { name: 'late/', type: '5', mode: 0o1777, uid: 3 },
        { name: 'early', type: '5', mode: 0o700 },
        { name: 'early/file', data: '' },
        // Before there was a type for them.
        { name: 'old/', type: '0', mode: 0o711 },
        { name: './', type: '5', mode: 0o555, gid: 9 },
      ]),
    );
    expect(tree.get('/late/')).toMatchObject({ mode: 0o41777, uid: 3 });
    expect(tree.get('/early/')).toMatchObject({ mode: 0o40700 });
    expect(tree.get('/old/')).toMatchObject({ mode: 0o40711 });
    expect(tree.get('/')).toMatchObject({ mode: 0o40555, gid: 9 });
  });

  it('has the last of two files of one name', async () => {
    const tree = await treeOf(
      makeTar([
        { name: 'a', data: 'one' },
        { name: './a', data: 'two' },
      ]),
    );
    expect(tree.get('/a')).toMatchObject({ content: 'two' });
  });

  it('keeps symlinks as they are, wherever they lead', async () => {
    const tree = await treeOf(
      makeTar([{ name: 'up', type: '2', link: '../../etc/ünknown', mode: 0o777 }]),
    );
    expect(tree.get('/up')).toMatchObject({ mode: 0o120777, target: '../../etc/ünknown' });
  });

  it('takes long names, numbers and xattrs from PAX headers', async () => {
    const long = `${'d'.repeat(200)}/${'f'.repeat(200)}`;
    const tree = await treeOf(
      makeTar([
        {
          name: 'short',
          data: 'x',
          pax: {
            path: long,
            uid: '3000000',
            gid: '4000000',
            'SCHILY.xattr.user.b': 'two',
            'SCHILY.xattr.user.a': 'one',
            'LIBARCHIVE.xattr.user.b': Buffer.from('ignored').toString('base64'),
            'LIBARCHIVE.xattr.user.%C3%BC': Buffer.from('three').toString('base64'),
            'RHT.security.selinux': 'label',
          },
        },
      ]),
    );
    expect(tree.get(`/${long}`)).toMatchObject({
      uid: 3_000_000,
      gid: 4_000_000,
      xattrs: [
        ['security.selinux', 'label'],
        ['user.a', 'one'],
        ['user.b', 'two'],
        ['user.ü', 'three'],
      ].map(([name = '', value = '']) => ({ name: Buffer.from(name), value: Buffer.from(value) })),
    });
  });

  it('is the same in whatever pieces the tar comes', async () => {
    const tar = makeTar([
      { name: 'a/b', data: 'x'.repeat(5000) },
      { name: 'a/c', type: '1', link: 'a/b' },
      { name: 'd', type: '2', link: 'a' },
    ]);
    const whole = await treeOf(tar, tar.length);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1500 }), async (bytes) => {
        expect(await treeOf(tar, bytes)).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('does not depend on the order of its files', async () => {
    const files = ['b', 'a', 'c/b', 'c/a', 'ü', 'z'].map((name) => ({ name, data: name }));
    const sorted = await treeOf(makeTar(files));
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(files, { minLength: files.length }), async (some) => {
        expect(await treeOf(makeTar(some))).toEqual(sorted);
      }),
      { numRuns: 20 },
    );
  });

  it('is in the order of bytes, as clients look names up', async () => {
    const names = ['\u{1f600}', '\u{fffd}', 'b', 'a', 'B'];
    expect(await pathsOf(names.map((name) => ({ name, data: '' })))).toEqual([
      '/',
      ...['B', 'a', 'b', '\u{fffd}', '\u{1f600}'].map((name) => `/${name}`),
    ]);
  });
});
