import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeVariant } from '../../../../delta/ostree/gvariant/decode.ts';
import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import { isList, type VariantValue } from '../../../../delta/ostree/gvariant/value.ts';
import { checksumOf, type Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { formatSuperblock } from '../../../../delta/ostree/static-delta/format-superblock.ts';
import { maxPayloadBytes } from '../../../../delta/ostree/static-delta/limits.ts';
import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import {
  SUPERBLOCK_TYPE,
  type Superblock,
} from '../../../../delta/ostree/static-delta/superblock.ts';
import { faultOf } from '../code-of.ts';
import { MemoryRepo } from './memory-repo.ts';

const commit = new MemoryRepo().commit({ '/a': { content: Buffer.from('hi\n') } });

function sum(text: string): Checksum {
  return checksumOf(Buffer.from(text));
}

const plain: Superblock = {
  timestamp: 1_700_000_000n,
  from: sum('from'),
  to: commit.checksum,
  commit: commit.bytes,
  commitmeta: undefined,
  parts: [
    {
      checksum: sum('part 0'),
      size: 7,
      contentBytes: 12,
      objects: [
        { kind: 'dirtree', checksum: sum('tree') },
        { kind: 'dirmeta', checksum: sum('meta') },
        { kind: 'file', checksum: sum('file') },
      ],
    },
  ],
  fallbacks: [
    { kind: 'file', checksum: sum('loose'), compressedBytes: 0x0102_0304, contentBytes: 2 ** 40 },
  ],
};

/** The superblock with one of its eight members changed. */
function withMember(
  bytes: Buffer,
  position: number,
  change: (value: VariantValue) => VariantValue,
): Buffer {
  const members = decodeVariant(SUPERBLOCK_TYPE, bytes);
  if (!isList(members)) throw new Error('not a tuple');
  return encodeVariant(
    SUPERBLOCK_TYPE,
    members.map((member, at) => (at === position ? change(member) : member)),
  );
}

describe('a superblock', () => {
  it('has the members that libostree reads', () => {
    const [metadata, time, from, to, inner, deltas, parts, fallbacks] = decodeVariant(
      SUPERBLOCK_TYPE,
      formatSuperblock(plain),
    ) as readonly VariantValue[];
    expect(metadata).toEqual([['ostree.endianness', { type: 'y', value: 0x6c }]]);
    expect(time).toBe(BigInt.asUintN(64, 0x00f1_5365_0000_0000n));
    expect(from).toEqual(Buffer.from(sum('from'), 'hex'));
    expect(to).toEqual(Buffer.from(commit.checksum, 'hex'));
    expect(encodeVariant('(a{sv}aya(say)sstayay)', inner).equals(commit.bytes)).toBe(true);
    expect(deltas).toEqual(Buffer.alloc(0));
    const objects = Buffer.concat(
      [[2, 'tree'] as const, [3, 'meta'] as const, [1, 'file'] as const].flatMap(([kind, name]) => [
        Buffer.of(kind),
        Buffer.from(sum(name), 'hex'),
      ]),
    );
    expect(parts).toEqual([[0, Buffer.from(sum('part 0'), 'hex'), 7n, 12n, objects]]);
    expect(fallbacks).toEqual([[1, Buffer.from(sum('loose'), 'hex'), 0x0102_0304n, 2n ** 40n]]);
  });

  it('reads as it was written', () => {
    const checksum = fc.string().map(sum);
    const size = fc.maxSafeNat();
    const kind = fc.constantFrom('file' as const, 'dirtree' as const, 'dirmeta' as const);
    const objects = fc.array(fc.record({ kind, checksum }));
    const inline = fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes));
    const superblock = fc.record({
      timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      from: fc.option(checksum, { nil: undefined }),
      to: fc.constant(commit.checksum),
      commit: fc.constant(commit.bytes),
      commitmeta: fc.option(
        fc.constant([['ostree.gpgsigs', { type: 'aay', value: [Buffer.from('x')] }] as const]),
        { nil: undefined },
      ),
      parts: fc.array(
        fc.record(
          { checksum, size, contentBytes: size, objects, inline },
          { requiredKeys: ['checksum', 'size', 'contentBytes', 'objects'] },
        ),
        { maxLength: 4 },
      ),
      fallbacks: fc.array(
        fc.record({ kind, checksum, compressedBytes: size, contentBytes: size }),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(superblock, (value) => {
        expect(parseSuperblock(formatSuperblock(value))).toEqual(value);
      }),
    );
  });

  it('reads in big-endian too', () => {
    const swap = (n: VariantValue): bigint => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(typeof n === 'bigint' ? n : 0n);
      return bytes.readBigUInt64BE();
    };
    let bytes = formatSuperblock(plain);
    bytes = withMember(bytes, 0, () => [['ostree.endianness', { type: 'y', value: 0x42 }]]);
    bytes = withMember(bytes, 6, (parts) =>
      (parts as readonly (readonly VariantValue[])[]).map(([v, sum, a, b, list]) => [
        v,
        sum,
        swap(a),
        swap(b),
        list,
      ]),
    );
    bytes = withMember(bytes, 7, (fallbacks) =>
      (fallbacks as readonly (readonly VariantValue[])[]).map(([kind, sum, a, b]) => [
        kind,
        sum,
        swap(a),
        swap(b),
      ]),
    );
    expect(parseSuperblock(bytes)).toEqual(plain);
  });

  it.each<[string, number, VariantValue, string]>([
    ['no byte order', 0, [], 'bad_format'],
    ['an unknown byte order', 0, [['ostree.endianness', { type: 'y', value: 1 }]], 'bad_format'],
    [
      'a byte order of another type',
      0,
      [['ostree.endianness', { type: 's', value: 'l' }]],
      'bad_format',
    ],
    ['a short base', 2, Buffer.alloc(31), 'bad_format'],
    ['another target', 3, Buffer.alloc(32), 'bad_format'],
    ['deltas inside', 5, Buffer.alloc(64), 'unsupported_version'],
    [
      'a part of another version',
      6,
      [[1, Buffer.alloc(32), 0n, 0n, Buffer.alloc(0)]],
      'unsupported_version',
    ],
    ['a short digest', 6, [[0, Buffer.alloc(31), 0n, 0n, Buffer.alloc(0)]], 'bad_format'],
    ['a cut object list', 6, [[0, Buffer.alloc(32), 0n, 0n, Buffer.alloc(34)]], 'bad_format'],
    ['a commit in the list', 6, [[0, Buffer.alloc(32), 0n, 0n, Buffer.alloc(33, 4)]], 'bad_format'],
    ['an absurd size', 6, [[0, Buffer.alloc(32), 2n ** 53n, 0n, Buffer.alloc(0)]], 'too_large'],
    ['a fallback of no kind', 7, [[0, Buffer.alloc(32), 0n, 0n]], 'bad_format'],
    ['an absurd fallback', 7, [[1, Buffer.alloc(32), 0n, 2n ** 60n]], 'too_large'],
  ])('is refused with %s', (_name, member, value, code) => {
    const bytes = withMember(formatSuperblock(plain), member, () => value);
    expect(faultOf(() => parseSuperblock(bytes)).code).toBe(code);
  });

  it('is not written for another commit than the one it names', () => {
    const wrong = { ...plain, to: sum('another') };
    expect(faultOf(() => formatSuperblock(wrong)).code).toBe('bad_format');
  });

  it('is refused or the same once bytes of it are flipped', () => {
    const bytes = formatSuperblock({ ...plain, commitmeta: [['a', { type: 's', value: 'b' }]] });
    for (let at = 0; at < bytes.length; at += 1) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const broken = Buffer.from(bytes);
        broken[at] = (broken[at] ?? 0) ^ mask;
        let parsed: Superblock;
        try {
          parsed = parseSuperblock(broken);
        } catch (error) {
          expect(error).toMatchObject({ name: 'DeltaError' });
          continue;
        }
        // Unknown keys of the metadata are all that may get lost.
        expect(parsed.commit.length).toBe(plain.commit.length);
      }
    }
  });
});

it('the largest payload of client 2026.3', () => {
  expect(maxPayloadBytes(0, 0)).toBe(4096);
  expect(maxPayloadBytes(3200, 2)).toBe(3200 + 4096 + 2 * 65_792 + 100);
  expect(maxPayloadBytes(2 ** 40, 1)).toBe(512 * 1024 * 1024);
});
