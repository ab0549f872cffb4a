import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import type { VariantValue } from '../../../../delta/ostree/gvariant/value.ts';
import {
  checksumBytes,
  checksumFromBytes,
  checksumOf,
  parseChecksum,
} from '../../../../delta/ostree/objects/checksum.ts';
import { metadataChildren } from '../../../../delta/ostree/objects/children.ts';
import { formatCommit, parseCommit, type Commit } from '../../../../delta/ostree/objects/commit.ts';
import { formatDirmeta, parseDirmeta } from '../../../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree, parseDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { sortedXattrs } from '../../../../delta/ostree/objects/xattrs.ts';
import { codeOf, faultOf } from '../code-of.ts';

const checksum = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => checksumFromBytes(b, 'x'));
const A = parseChecksum('a'.repeat(64));
const BYTES = checksumBytes(A);

const fileName = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(
    (name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && !/\p{Surrogate}/u.test(name),
  );

const xattrs = fc
  .uniqueArray(
    fc.record({
      name: fc.stringMatching(/^user\.[a-z]{1,5}$/).map((name) => Buffer.from(name)),
      value: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    }),
    { selector: ({ name }) => name.toString() },
  )
  .map(sortedXattrs);

const dirtree = fc
  .uniqueArray(fc.tuple(fileName, fc.boolean(), checksum, checksum), { selector: ([name]) => name })
  .map((entries) => ({
    files: entries.filter(([, isFile]) => isFile).map(([name, , checksum]) => ({ name, checksum })),
    directories: entries
      .filter(([, isFile]) => !isFile)
      .map(([name, , tree, meta]) => ({ name, tree, meta })),
  }));

const text = fc.string().map((value) => value.replaceAll('\0', ''));

const commit: fc.Arbitrary<Commit> = fc.record({
  metadata: fc.array(
    fc.tuple(
      text.filter((key) => key !== ''),
      text.map((value) => ({ type: 's', value })),
    ),
  ),
  parent: fc.option(checksum, { nil: undefined }),
  related: fc.array(fc.record({ name: text, checksum }), { maxLength: 2 }),
  subject: text,
  body: text,
  timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  tree: checksum,
  meta: checksum,
});

describe('metadata objects', () => {
  it('parse to what was formatted', () => {
    fc.assert(
      fc.property(commit, (value) => {
        expect(parseCommit(formatCommit(value))).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.nat(0xffff_ffff),
        fc.nat(0o7777),
        xattrs,
        (uid, gid, mode, xattrs) => {
          const meta = { uid, gid, mode: 0o040_000 | mode, xattrs };
          expect(parseDirmeta(formatDirmeta(meta))).toEqual(meta);
        },
      ),
    );
  });

  it('sort a directory by the bytes of its names', () => {
    fc.assert(
      fc.property(dirtree, (tree) => {
        const bytes = formatDirtree(tree);
        const parsed = parseDirtree(bytes);
        const byName = (a: { name: string }, b: { name: string }): number =>
          Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
        expect(parsed).toEqual({
          files: tree.files.toSorted(byName),
          directories: tree.directories.toSorted(byName),
        });
        expect(formatDirtree(parsed)).toEqual(bytes);
      }),
    );
  });

  it('with changed bytes are refused, or encode to themselves', () => {
    const read: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
      commit: (bytes) => formatCommit(parseCommit(bytes)),
      dirtree: (bytes) => formatDirtree(parseDirtree(bytes)),
      dirmeta: (bytes) => formatDirmeta(parseDirmeta(bytes)),
    };
    const bytes = fc.oneof(
      commit.map((value) => ['commit', formatCommit(value)] as const),
      dirtree.map((value) => ['dirtree', formatDirtree(value)] as const),
      xattrs.map((xattrs) => {
        return ['dirmeta', formatDirmeta({ uid: 1, gid: 2, mode: 0o041_777, xattrs })] as const;
      }),
    );
    fc.assert(
      fc.property(
        bytes,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ([kind, bytes], at, change) => {
          const changed = Buffer.from(bytes);
          const place = at % changed.length;
          changed[place] = (changed[place] ?? 0) ^ change;
          let again: Buffer;
          try {
            again = read[kind]?.(changed) ?? bytes;
          } catch (error) {
            expect(codeOf(error)).toBe('bad_format');
            return;
          }
          expect(again).toEqual(changed);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('name what they need, once', () => {
    const B = checksumOf(Buffer.of(1));
    const tree = {
      files: [
        { name: 'a', checksum: A },
        { name: 'b', checksum: A },
      ],
      directories: [
        { name: 'c', tree: A, meta: B },
        { name: 'd', tree: A, meta: B },
      ],
    };
    expect(metadataChildren('dirtree', formatDirtree(tree))).toEqual([
      { kind: 'file', checksum: A },
      { kind: 'dirtree', checksum: A },
      { kind: 'dirmeta', checksum: B },
    ]);
    const [sample] = fc.sample(commit, 1);
    expect(sample).toBeDefined();
    if (sample === undefined) return;
    expect(metadataChildren('commit', formatCommit({ ...sample, tree: A, meta: B }))).toEqual([
      { kind: 'dirtree', checksum: A },
      { kind: 'dirmeta', checksum: B },
    ]);
  });

  const files = (...entries: readonly (readonly [string, Uint8Array])[]): VariantValue => [
    entries,
    [],
  ];
  const long = 'x'.repeat(256);
  it.each<readonly [string, VariantValue]>([
    ['an empty name', files(['', BYTES])],
    ['.', files(['.', BYTES])],
    ['..', files(['..', BYTES])],
    ['a slash', files(['a/b', BYTES])],
    ['256 bytes', files([long, BYTES])],
    ['a short checksum', files(['a', BYTES.subarray(1)])],
    ['no checksum', files(['a', Buffer.alloc(0)])],
    ['out of order', files(['b', BYTES], ['a', BYTES])],
    ['twice', files(['a', BYTES], ['a', BYTES])],
    ['UTF-16 order', files(['\u{1f600}', BYTES], ['\u{fffd}', BYTES])],
    ['a file and a directory', [[['a', BYTES]], [['a', BYTES, BYTES]]]],
    ['a directory ..', [[], [['..', BYTES, BYTES]]]],
    ['a short dirtree', [[], [['a', BYTES.subarray(1), BYTES]]]],
    ['a long dirmeta', [[], [['a', BYTES, Buffer.alloc(33)]]]],
  ])('a dirtree with %s is refused', (_what, value) => {
    const bytes = encodeVariant('(a(say)a(sayay))', value);
    expect(faultOf(() => parseDirtree(bytes)).code).toBe('bad_format');
  });

  it('names of 255 bytes pass', () => {
    const tree = { files: [{ name: 'ü'.repeat(127) + 'x', checksum: A }], directories: [] };
    expect(parseDirtree(formatDirtree(tree))).toEqual(tree);
    const longer = { files: [{ name: 'ü'.repeat(128), checksum: A }], directories: [] };
    expect(faultOf(() => formatDirtree(longer)).message).toContain('256 bytes');
  });

  it.each([
    ['a regular file', 0o100_644],
    ['no type', 0o755],
    ['unknown bits', 0o1_040_755],
  ])('a dirmeta of %s is refused', (_what, mode) => {
    expect(faultOf(() => formatDirmeta({ uid: 0, gid: 0, mode, xattrs: [] })).code).toBe(
      'bad_format',
    );
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(mode, 8);
    expect(faultOf(() => parseDirmeta(bytes)).code).toBe('bad_format');
  });

  it.each<readonly [string, VariantValue]>([
    ['without NUL', [[Buffer.from('user.a'), BYTES]]],
    ['without name', [[Buffer.from('\0'), BYTES]]],
    ['with NUL inside', [[Buffer.from('a\0b\0'), BYTES]]],
    [
      'twice',
      [
        [Buffer.from('a\0'), BYTES],
        [Buffer.from('a\0'), BYTES],
      ],
    ],
    [
      'out of order',
      [
        [Buffer.from('b\0'), BYTES],
        [Buffer.from('a\0'), BYTES],
      ],
    ],
    ['with a long name', [[Buffer.from(`${long}\0`), BYTES]]],
    ['with a large value', [[Buffer.from('a\0'), Buffer.alloc(65_537)]]],
  ])('an xattr %s is refused', (_what, value) => {
    const bytes = encodeVariant('(uuua(ayay))', [0, 0, 0xed410000, value]);
    expect(faultOf(() => parseDirmeta(bytes)).code).toBe('bad_format');
  });

  const commitBytes = (parent: Uint8Array, tree: Uint8Array, meta: Uint8Array, key = 'k'): Buffer =>
    encodeVariant('(a{sv}aya(say)sstayay)', [
      [[key, { type: 's', value: 'v' }]],
      parent,
      [],
      '',
      '',
      0n,
      tree,
      meta,
    ]);
  it.each([
    ['parent', commitBytes(Buffer.of(1), BYTES, BYTES)],
    ['root dirtree', commitBytes(BYTES, Buffer.alloc(0), BYTES)],
    ['root dirmeta', commitBytes(BYTES, BYTES, Buffer.alloc(31))],
    ['metadata key', commitBytes(BYTES, BYTES, BYTES, '')],
  ])('a commit with a bad %s is refused', (what, bytes) => {
    const fault = faultOf(() => parseCommit(bytes));
    expect(fault.code).toBe('bad_format');
    expect(fault.message).toContain(what);
  });

  it('past 128 MiB is refused before it is looked at', () => {
    const bytes = Buffer.alloc(128 * 1024 * 1024 + 1);
    expect(faultOf(() => parseDirtree(bytes)).code).toBe('too_large');
  });

  it('owners past 32 bits are refused', () => {
    const meta = { uid: 2 ** 32, gid: 0, mode: 0o040_755, xattrs: [] };
    expect(faultOf(() => formatDirmeta(meta)).message).toContain('4294967296');
  });
});
