import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { appendSignature, signaturesOf } from '../../../../delta/ostree/commitmeta.ts';
import {
  formatSignedDelta,
  parseDeltaFile,
} from '../../../../delta/ostree/offline/signed-delta.ts';
import { codeOf } from '../code-of.ts';

const KIND = 'ostree.sign.ed25519';
const signed = (superblock: Uint8Array): Buffer =>
  formatSignedDelta({
    superblock: Buffer.from(superblock),
    signatures: appendSignature([], KIND, Buffer.alloc(64, 7)),
  });

/** What becomes of bytes: how long the superblock is, or the code of the refusal. */
function outcomeOf(bytes: Uint8Array): number | string {
  try {
    return parseDeltaFile(bytes).superblock.length;
  } catch (error) {
    return codeOf(error);
  }
}

describe('a signed delta', () => {
  it('is the magic, the superblock and its signatures', () => {
    const bytes = signed(Buffer.from('abc'));
    // (taya{sv}): eight bytes, the array, then the dictionary at a multiple of eight.
    expect(bytes.subarray(0, 16).toString('latin1')).toBe('OSTSGNDTabc\0\0\0\0\0');
    expect(bytes.subarray(16, 36).toString('latin1')).toBe(`${KIND}\0`);
    expect(bytes.at(-1)).toBe(11);
  });

  it('is read again as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (superblock) => {
        const read = parseDeltaFile(signed(superblock));
        expect(read.superblock.equals(superblock)).toBe(true);
        expect(signaturesOf(read.signatures, KIND)).toEqual([Buffer.alloc(64, 7)]);
      }),
    );
  });

  it('without the magic is a superblock that nobody signed', () => {
    const bytes = Buffer.from('no magic at all');
    expect(parseDeltaFile(bytes)).toEqual({ superblock: bytes, signatures: [] });
  });

  it('without a signature is refused', () => {
    const bytes = formatSignedDelta({ superblock: Buffer.from('abc'), signatures: [] });
    expect(outcomeOf(bytes)).toBe('bad_format');
  });

  it('cut off or changed is refused, or still whole', () => {
    const whole = signed(Buffer.alloc(100, 'superblock'));
    for (let length = 8; length < whole.length; length += 1) {
      expect(outcomeOf(whole.subarray(0, length))).toBe('bad_format');
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 9), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const broken = Buffer.from(whole);
        broken[8 + at] = (broken[8 + at] ?? 0) ^ change;
        const outcome = outcomeOf(broken);
        expect(typeof outcome === 'number' || outcome === 'bad_format').toBe(true);
      }),
    );
  });
});
