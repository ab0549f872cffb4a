import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { decodeVariant } from '../../../../delta/ostree/gvariant/decode.ts';
import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import { swap32, swap64 } from '../../../../delta/ostree/gvariant/swap.ts';
import { parseType } from '../../../../delta/ostree/gvariant/type.ts';
import type { VariantValue } from '../../../../delta/ostree/gvariant/value.ts';
import { GLIB_STRING_ARRAYS, GLIB_VECTORS } from './glib-vectors.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** The examples of the GVariant specification and of OSTree's own formats. */
const GOLDEN: readonly (readonly [type: string, hex: string, value: VariantValue])[] = [
  ['as', '6900 63616e00 68617300 02 06 0a', ['i', 'can', 'has']],
  ['aa(ayay)', '00', [[]]],
  ['(sy)', '666f6f00 ff 04', ['foo', 255]],
  ['(ys)', 'ff 666f6f00', [255, 'foo']],
  ['(sayay)', '6400 11 22 03 02', ['d', Buffer.from([0x11]), Buffer.from([0x22])]],
  ['(yaytt)', '01 09 000000000000 0100000000000000 0200000000000000 02', [1, Buffer.of(9), 1n, 2n]],
  ['(uuuusa(ayay))', '00000000 00000000 000081a4 00000000 00 11', [0, 0, 0xa4810000, 0, '', []]],
  [
    '(tuuuusa(ayay))',
    '0000000000000000 00000000 00000000 000081a4 00000000 00 19',
    [0n, 0, 0, 0xa4810000, 0, '', []],
  ],
  ['a{sv}', '', []],
  ['mv', '', undefined],
];

describe('GVariant', () => {
  it.each([...GOLDEN, ...GLIB_VECTORS])('%s %s', (type, bytes, value) => {
    expect(encodeVariant(type, value).toString('hex')).toBe(bytes.replaceAll(' ', ''));
    expect(decodeVariant(type, hex(bytes))).toEqual(value);
  });

  it.each(GLIB_STRING_ARRAYS)('%i strings: offsets of the least width', (count, bytes, sha256) => {
    const value = Array.from({ length: count }, () => 'xy');
    const encoded = encodeVariant('as', value);
    expect(encoded.length).toBe(bytes);
    expect(createHash('sha256').update(encoded).digest('hex')).toBe(sha256);
    expect(decodeVariant('as', encoded)).toEqual(value);
  });

  it('reads byte arrays without copying', () => {
    const bytes = encodeVariant('(say)', ['x', Buffer.alloc(100, 7)]);
    const value = decodeVariant('(say)', bytes);
    bytes.fill(9, 2, 3);
    expect(value).toEqual(['x', Buffer.concat([Buffer.of(9), Buffer.alloc(99, 7)])]);
  });

  it('reads from inside a larger buffer', () => {
    const bytes = encodeVariant('(yt)', [1, 2n]);
    const inside = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
    expect(decodeVariant('(yt)', inside.subarray(3, 3 + bytes.length))).toEqual([1, 2n]);
  });

  it('swaps bytes', () => {
    expect(swap32(0x81a4)).toBe(0xa4810000);
    expect(swap32(0xff)).toBe(0xff000000);
    expect(swap64(0x0102030405060708n)).toBe(0x0807060504030201n);
    expect(swap64(0xffn)).toBe(0xff00000000000000n);
  });

  it.each([
    ['y', 1, 1, 1],
    ['(yt)', 8, 16, 2],
    ['(ty)', 8, 16, 2],
    ['()', 1, 1, 1],
    ['(ys)', 1, undefined, 2],
    ['a{sv}', 8, undefined, 3],
    ['mn', 2, undefined, 2],
    ['(q(yu)b)', 4, 16, 3],
  ])('%s: alignment %d, size %s, depth %d', (text, alignment, fixedSize, depth) => {
    expect(parseType(text)).toMatchObject({ text, alignment, fixedSize, depth });
  });
});
