import fc from 'fast-check';

import { parseType, type VariantType } from '../../../../delta/ostree/gvariant/type.ts';
import type { Variant, VariantValue } from '../../../../delta/ostree/gvariant/value.ts';

const BASIC = ['y', 'b', 'n', 'q', 'i', 'u', 'h', 'x', 't', 'd', 's', 'o', 'g'];
const LEAVES = [...BASIC, 'v', 'ay'];

/** Definite types up to a few levels deep; no maybe of a maybe. */
const arbitraryType: fc.Arbitrary<string> = fc.letrec<{ any: string; notMaybe: string }>((tie) => {
  const containers = [
    tie('any').map((element) => `a${element}`),
    fc.array(tie('any'), { maxLength: 4 }).map((members) => `(${members.join('')})`),
    fc.tuple(fc.constantFrom(...BASIC), tie('any')).map(([key, value]) => `{${key}${value}}`),
  ];
  return {
    notMaybe: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...LEAVES),
      ...containers,
    ),
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: tie('notMaybe') },
      { weight: 1, arbitrary: tie('notMaybe').map((element) => `m${element}`) },
    ),
  };
}).any;

/** Text without NUL or half surrogate pairs. */
const text = fc
  .string({ unit: 'binary', maxLength: 12 })
  .map((value) => value.replaceAll('\0', '').replaceAll(/\p{Surrogate}/gu, ''));

const path = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_]{1,5}$/), { maxLength: 4 })
  .map((parts) => `/${parts.join('/')}`);

function leaf(code: string): fc.Arbitrary<VariantValue> {
  switch (code) {
    case 'b':
      return fc.boolean();
    case 'y':
      return fc.nat(0xff);
    case 'n':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'q':
      return fc.nat(0xffff);
    case 'u':
      return fc.nat(0xffff_ffff);
    case 'x':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 't':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'd':
      return fc.double();
    case 's':
      return text;
    case 'o':
      return path;
    case 'g':
      return fc.constantFrom('', 's', 'a{sv}', '(ii)ay', 'aaas');
    default:
      return fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
  }
}

/** Values of a type. */
function valueOf(type: VariantType): fc.Arbitrary<VariantValue> {
  switch (type.kind) {
    case 'fixed':
    case 'text':
      return leaf(type.code);
    case 'variant':
      return fc.constantFrom(...LEAVES, 'a{sv}', '(say)', 'mi', '()').chain(boxed);
    case 'maybe':
      return fc.option(valueOf(type.element), { nil: undefined });
    case 'array':
      return type.element.text === 'y'
        ? fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
        : fc.array(valueOf(type.element), { maxLength: 5 });
    case 'tuple':
      return fc.tuple(...type.members.map(valueOf));
  }
}

function boxed(type: string): fc.Arbitrary<Variant> {
  return valueOf(parseType(type)).map((value) => ({ type, value }));
}

/** A type with a value of it. */
export const arbitraryVariant: fc.Arbitrary<Variant> = arbitraryType.chain(boxed);
