import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { DeltaError } from '../../../../delta/errors.ts';
import { decodeVariant } from '../../../../delta/ostree/gvariant/decode.ts';
import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import type { VariantValue } from '../../../../delta/ostree/gvariant/value.ts';
import { arbitraryVariant } from './arbitrary-variant.ts';

/** Decodes, or undefined for bytes that are refused with one of our own codes. */
function tryDecode(type: string, bytes: Buffer): { readonly value: VariantValue } | undefined {
  try {
    return { value: decodeVariant(type, bytes) };
  } catch (error) {
    if (error instanceof DeltaError && error.code === 'bad_format') return undefined;
    throw error;
  }
}

/** A NaN's payload is not kept: what decodes need not encode to the same bytes. */
function holdsNaN(value: VariantValue): boolean {
  if (typeof value === 'number') return Number.isNaN(value);
  if (typeof value !== 'object' || value instanceof Uint8Array) return false;
  return 'type' in value ? holdsNaN(value.value) : value.some(holdsNaN);
}

function expectNormalForm(type: string, bytes: Buffer): boolean {
  const decoded = tryDecode(type, bytes);
  if (decoded === undefined || holdsNaN(decoded.value)) return false;
  expect(encodeVariant(type, decoded.value).toString('hex')).toBe(bytes.toString('hex'));
  return true;
}

describe('GVariant, any type and value', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(arbitraryVariant, ({ type, value }) => {
        expect(decodeVariant(type, encodeVariant(type, value))).toEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('takes only normal form: changed bytes are refused or encode to themselves', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        arbitraryVariant,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        ({ type, value }, changes) => {
          const bytes = encodeVariant(type, value);
          for (const [at, byte] of changes) {
            if (bytes.length > 0) bytes[at % bytes.length] = byte;
          }
          if (expectNormalForm(type, bytes)) taken += 1;
        },
      ),
      { numRuns: 4000 },
    );
    expect(taken).toBeGreaterThan(0);
  });

  it('takes only normal form: cut, grown and random bytes', () => {
    fc.assert(
      fc.property(
        arbitraryVariant,
        fc.nat(),
        fc.uint8Array({ maxLength: 9 }),
        fc.uint8Array({ maxLength: 40 }),
        ({ type, value }, at, more, random) => {
          const bytes = encodeVariant(type, value);
          const cut = bytes.subarray(0, at % (bytes.length + 1));
          expectNormalForm(type, cut);
          expectNormalForm(type, Buffer.concat([cut, more]));
          expectNormalForm(type, Buffer.concat([cut, more, bytes.subarray(cut.length)]));
          expectNormalForm(type, Buffer.from(random));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses nothing but types: any text as a type', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('y', 's', 'v', 'a', 'm', '(', ')', '{', '}', '*', 'r'),
          maxLength: 12,
        }),
        (type) => {
          tryDecode(type, Buffer.alloc(8));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
