import { describe, expect, it } from 'vitest';

import { makeTar, type TarSpec } from '../../../server/ostree/tar-file.ts';
import { rejectionOf } from '../code-of.ts';
import { treeOf } from './tree-of.ts';

/** Makes the first header's checksum right again. */
function seal(tar: Buffer): void {
  tar.fill(' ', 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(sum.toString(8).padStart(7, '0'), 148, 'latin1');
}

const refusalOf = (specs: readonly TarSpec[]) => rejectionOf(treeOf(makeTar(specs)));

describe('hard links in a tar', () => {
  it('are the file that they lead to, before it too, and over other links', async () => {
    const tree = await treeOf(
      makeTar([
        { name: 'c', type: '1', link: 'b' },
        { name: 'b', type: '1', link: './d/a' },
        { name: 'd/a', data: 'x', mode: 0o600 },
        { name: 'e/f', type: '1', link: '/c' },
      ]),
    );
    for (const path of ['/b', '/c', '/e/f']) expect(tree.get(path)).toEqual(tree.get('/d/a'));
  });

  it('may lead to symlinks', async () => {
    const tree = await treeOf(
      makeTar([
        { name: 'l', type: '2', link: 'nowhere' },
        { name: 'h', type: '1', link: 'l' },
      ]),
    );
    expect(tree.get('/h')).toMatchObject({ target: 'nowhere' });
  });

  it.each<[string, readonly TarSpec[]]>([
    ['nowhere', [{ name: 'a', type: '1', link: 'b' }]],
    ['themselves', [{ name: 'a', type: '1', link: './a' }]],
    [
      'each other',
      [
        { name: 'a', type: '1', link: 'b' },
        { name: 'b', type: '1', link: 'c' },
        { name: 'c', type: '1', link: 'b' },
      ],
    ],
    [
      'a directory',
      [
        { name: 'd', type: '5' },
        { name: 'a', type: '1', link: 'd' },
      ],
    ],
  ])('that lead to %s are refused, by name', async (_where, specs) => {
    const fault = await refusalOf(specs);
    expect([fault.code, fault.message]).toEqual([
      'bad_format',
      expect.stringMatching(/hard link "a" leads to ".*", where no file is/),
    ]);
  });

  it('in a long chain, the last first, are each followed once', async () => {
    const count = 20_000;
    const links = Array.from({ length: count }, (_, n) => ({
      name: `l${n}`,
      type: '1',
      link: `l${n + 1}`,
    }));
    const tree = await treeOf(makeTar([...links, { name: `l${count}`, data: 'x' }]), 1 << 20);
    expect(tree.size).toBe(count + 2);
    expect(tree.get('/l0')).toEqual(tree.get(`/l${count}`));
  });

  it('that lead out of the tree are refused', async () => {
    const fault = await refusalOf([{ name: 'a', type: '1', link: '../../etc/shadow' }]);
    expect(fault.code).toBe('bad_format');
  });
});

describe('a hostile tar', () => {
  it.each<[string, readonly TarSpec[], RegExp]>([
    ['..', [{ name: '../up' }], /\.\./],
    ['.. inside', [{ name: 'a/../../up' }], /\.\./],
    ['a root that is a file', [{ name: './', type: '2', link: 'x' }], /root is a file/],
    ['a NUL from a PAX header', [{ name: 'a', pax: { path: 'a\0b' } }], /a.*b/],
    ['a name that is too long', [{ name: 'a', pax: { path: 'n'.repeat(300) } }], /nnn/],
    ['a path that is too deep', [{ name: 'a', pax: { path: 'd/'.repeat(3000) } }], /3000 deep/],
    ['a device', [{ name: 'dev/null', type: '3' }], /"dev\/null" is a device/],
    ['a fifo', [{ name: 'pipe', type: '6' }], /"pipe" is a device, a fifo/],
    ['an unknown type', [{ name: 'odd', type: 'Q' }], /"Q"/],
    ['a sparse file', [{ name: 'holes', type: 'S' }], /sparse file "holes"/],
    ['a sparse file by PAX', [{ name: 'h', pax: { 'GNU.sparse.major': '1' } }], /sparse/],
    [
      'a file that becomes a directory',
      [{ name: 'a' }, { name: 'a/b' }],
      /a directory at "a", where it had a file/,
    ],
    [
      'a directory that becomes a file',
      [{ name: 'a/b' }, { name: 'a' }],
      /a file at "a", where it had a directory/,
    ],
    ['a size that is no number', [{ name: 'a', pax: { size: '1e9' } }], /PAX size of 1e9/],
    ['an owner that is none', [{ name: 'a', pax: { uid: '-1' } }], /PAX uid of -1/],
    ['an owner past 32 bits', [{ name: 'a', pax: { uid: '4294967296' } }], /4294967296|uid/],
    [
      'a broken escape in the name of an xattr',
      [{ name: 'a', pax: { 'LIBARCHIVE.xattr.user.%zz': 'eA==' } }],
      /xattr of a broken name/,
    ],
    ['an xattr without a name', [{ name: 'a', pax: { 'SCHILY.xattr.': 'x' } }], /xattr/],
  ])('with %s is refused, saying what', async (_what, specs, says) => {
    const fault = await refusalOf(specs);
    expect([fault.code, fault.message]).toEqual(['bad_format', expect.stringMatching(says)]);
  });

  it('with names that are no UTF-8 is refused', async () => {
    const tar = makeTar([{ name: 'ab' }]);
    tar[0] = 0xff;
    seal(tar);
    const fault = await rejectionOf(treeOf(tar));
    expect([fault.code, fault.message]).toEqual(['bad_format', expect.stringContaining('UTF-8')]);
  });

  it.each([1, 100, 511, 512, 700, 1023])('cut off after %d bytes is refused', async (bytes) => {
    const tar = makeTar([{ name: 'a', data: 'x'.repeat(600) }]);
    const fault = await rejectionOf(treeOf(tar.subarray(0, bytes)));
    expect(fault.code).toBe('bad_format');
  });

  it('of noise is refused', async () => {
    const fault = await rejectionOf(treeOf(Buffer.alloc(2048, 'noise')));
    expect([fault.code, fault.message]).toEqual([
      'bad_format',
      expect.stringContaining('not a tar'),
    ]);
  });

  it('with a header that says it is huge is refused before it is read', async () => {
    const tar = makeTar([{ name: 'long', type: 'L', data: 'x' }]);
    tar.write('77777777777', 124, 'latin1');
    seal(tar);
    expect((await rejectionOf(treeOf(tar))).code).toBe('too_large');
  });
});
