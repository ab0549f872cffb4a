import { describe, expect, it } from 'vitest';

import { DeltaError } from '../../../../delta/errors.ts';
import { decodeVariant } from '../../../../delta/ostree/gvariant/decode.ts';
import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import { lookUp, dictionaryEntries } from '../../../../delta/ostree/gvariant/dictionary.ts';
import { parseType } from '../../../../delta/ostree/gvariant/type.ts';
import type { VariantValue } from '../../../../delta/ostree/gvariant/value.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function codeOf(run: () => unknown): { readonly code: string; readonly message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof DeltaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('GVariant bytes that are not in normal form', () => {
  it.each([
    ['padding between members', '(yu)', '01 000001 02000000', 'padding that is not zero'],
    ['padding at the end', '(uy)', '01000000 02 000100', 'padding that is not zero'],
    ['the empty tuple', '()', '01', 'padding that is not zero'],
    ['a fixed size', 'u', '000000', '3 bytes where it takes 4'],
    ['trailing bytes', '(yu)', '01000000 02000000 00', '9 bytes where it takes 8'],
    ['a boolean', 'b', '02', 'neither 0 nor 1'],
    ['no NUL', 's', '61', 'no NUL'],
    ['no bytes', 's', '', 'no NUL'],
    ['a NUL inside', 's', '61 00 61 00', 'holds a NUL'],
    ['no UTF-8', 's', 'ff 00', 'not UTF-8'],
    ['half a surrogate pair', 's', 'eda080 00', 'not UTF-8'],
    ['a longer form', 's', 'c080 00', 'not UTF-8'],
    ['an object path', 'o', '2f612f 00', 'no object path'],
    ['an object path', 'o', '61 00', 'no object path'],
    ['a signature', 'g', '6129 00', 'no signature'],
    ['a signature', 'g', '6d69 00', 'no signature'],
    ['a dictionary key', 'g', '617b767d 00', 'no signature'],
    ['part of an element', 'au', '000000', 'no whole number'],
    ['a last offset out of range', 'as', '6100 09', 'out of range'],
    ['a last offset that covers itself', 'as', '00 02', 'out of range'],
    ['offsets not ascending', 'aay', '0101 02 01 02', 'out of order'],
    ['a member past the end', '(ss)', '6100 6200 09', 'out of range'],
    ['a tuple too short', '(sss)', '00', 'too short'],
    ['bytes after the last member', '(sy)', '6100 ff ff 02', '1 bytes too many'],
    ['no type', 'v', '00', 'type'],
    ['no NUL before the type', 'v', '75', 'no type'],
    ['a type that is none', 'v', '00 00 2a', 'no type'],
    ['two types', 'v', '00 00 7979', 'goes on'],
    ['a maybe without its zero', 'ms', '6100 01', 'zero byte'],
    ['a maybe of another size', 'mu', '000000', '3 bytes'],
  ])('%s: %s %s', (_what, type, bytes, problem) => {
    const error = codeOf(() => decodeVariant(type, hex(bytes)));
    expect(error.code).toBe('bad_format');
    expect(error.message).toContain(problem);
  });

  it('padding before an element', () => {
    const bytes = encodeVariant('a(ts)', [
      [1n, 'a'],
      [2n, 'b'],
    ]);
    expect(decodeVariant('a(ts)', bytes)).toHaveLength(2);
    bytes[10] = 1;
    expect(codeOf(() => decodeVariant('a(ts)', bytes)).message).toContain('at byte 10');
  });

  it('offsets of two bytes where one would do', () => {
    const strings = Array.from({ length: 64 }, () => 'xy');
    const bytes = encodeVariant('as', strings);
    const offsets = Buffer.alloc(126);
    for (let i = 0; i < 63; i++) offsets.writeUInt16LE((i + 1) * 3, i * 2);
    const wide = Buffer.concat([bytes.subarray(0, 63 * 3), offsets]);
    expect(codeOf(() => decodeVariant('as', wide)).message).toContain('wider than needed');
  });

  it('variants nested past the bound', () => {
    const nest = (levels: number): Buffer =>
      Buffer.concat(
        [Buffer.from('0000', 'hex'), Buffer.from('y\0v'.repeat(1), 'latin1')].concat(
          Array.from({ length: levels - 1 }, () => Buffer.from('\0v', 'latin1')),
        ),
      );
    expect(decodeVariant('v', nest(61))).toBeDefined();
    expect(codeOf(() => decodeVariant('v', nest(100_000))).code).toBe('bad_format');
  });

  it('types nested or long past the bound', () => {
    expect(codeOf(() => parseType(`${'a'.repeat(64)}y`)).message).toContain('nested past 64');
    expect(parseType(`${'a'.repeat(63)}y`).depth).toBe(64);
    expect(codeOf(() => parseType('('.repeat(4000))).message).toContain('nested past 64');
    expect(codeOf(() => parseType(`(${'y'.repeat(5000)})`)).message).toContain('5002 characters');
  });

  it('makes no more values than its bound', () => {
    const bytes = Buffer.alloc(17 * 1024 * 1024);
    expect(codeOf(() => decodeVariant('ab', bytes)).code).toBe('too_large');
  });

  it.each([
    '',
    'z',
    '(',
    'a',
    'm',
    '{',
    '{s',
    '{sv',
    '{vs}',
    '{(s)v}',
    'mms',
    'yy',
    ')',
    '*',
    'a?',
    'r',
  ])('the type %j is none', (type) => {
    expect(codeOf(() => parseType(type)).code).toBe('bad_format');
  });
});

describe('values that are not of their type', () => {
  const cases: readonly (readonly [type: string, value: VariantValue])[] = [
    ['y', 256],
    ['y', -1],
    ['n', 0x8000],
    ['u', 1.5],
    ['u', 1n],
    ['x', 1],
    ['x', 2n ** 63n],
    ['t', -1n],
    ['d', 1n],
    ['b', 1],
    ['s', 1],
    ['s', 'a\0b'],
    ['s', '\ud800'],
    ['o', 'a'],
    ['ay', [1, 2]],
    ['as', 'a'],
    ['(ss)', ['a']],
    ['(ss)', ['a', 'b', 'c']],
    ['v', 'a'],
    ['v', undefined],
    ['s', undefined],
    ['v', { type: 'u', value: 'a' }],
  ];
  it.each(cases)('%s', (type, value) => {
    expect(codeOf(() => encodeVariant(type, value)).code).toBe('bad_format');
  });

  it('past the bound on nesting', () => {
    let value: VariantValue = 'x';
    for (let i = 0; i < 100; i++) value = { type: i === 0 ? 's' : 'v', value };
    expect(codeOf(() => encodeVariant('v', value)).code).toBe('bad_format');
  });
});

describe('a dictionary', () => {
  const entries = dictionaryEntries(
    [
      ['a', { type: 'u', value: 1 }],
      ['a', { type: 'u', value: 2 }],
    ],
    'the test',
  );

  it('gives the first value of a key, of the expected type', () => {
    expect(lookUp(entries, 'a', 'u', 'the test')).toBe(1);
    expect(lookUp(entries, 'b', 'u', 'the test')).toBeUndefined();
    expect(codeOf(() => lookUp(entries, 'a', 's', 'the test')).message).toBe(
      'the test: a is a u, not a s',
    );
  });

  it('refuses other shapes', () => {
    for (const value of ['x', ['x'], [['x', 1]], [['x', 'y', 'z']]] satisfies VariantValue[]) {
      expect(codeOf(() => dictionaryEntries(value, 'the test')).code).toBe('bad_format');
    }
  });
});
