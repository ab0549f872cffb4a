import { describe, expect, it } from 'vitest';

import {
  checksumOf,
  parseChecksum,
  verifyChecksum,
} from '../../../../delta/ostree/objects/checksum.ts';
import {
  parseObjectFileName,
  parseObjectPath,
} from '../../../../delta/ostree/objects/object-name.ts';
import { faultOf } from '../code-of.ts';

const A = parseChecksum('a'.repeat(64));

describe('checksums and names', () => {
  it.each(['', 'A'.repeat(64), 'a'.repeat(63), `${'a'.repeat(64)}\n`, `sha256:${'a'.repeat(64)}`])(
    '%j is no checksum',
    (text) => {
      expect(faultOf(() => parseChecksum(text)).code).toBe('bad_format');
    },
  );

  it('name what is wrong', () => {
    const B = checksumOf(Buffer.from('b'));
    expect(
      faultOf(() => {
        verifyChecksum(A, B, 'the test');
      }),
    ).toMatchObject({
      code: 'digest_mismatch',
      message: `the test: expected ${B}, got ${A}`,
    });
  });

  it.each([`${A}.file`, A, `${A}.filez.x`, `${A}.filez/..`, `.filez`, `${A}.FILEZ`])(
    '%j is no object',
    (text) => {
      expect(faultOf(() => parseObjectFileName(text)).code).toBe('bad_format');
      expect(
        faultOf(() => parseObjectPath(`objects/${text.slice(0, 2)}/${text.slice(2)}`)).code,
      ).toBe('bad_format');
    },
  );

  it.each([`objects/a/${A}.commit`, `/objects/aa/${A.slice(2)}.commit`, `objects/aa/../x.commit`])(
    '%j is no path of an object',
    (text) => {
      expect(faultOf(() => parseObjectPath(text)).code).toBe('bad_format');
    },
  );
});
