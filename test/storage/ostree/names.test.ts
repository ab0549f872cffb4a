import { describe, expect, test } from 'vitest';

import {
  isOstreeChecksum,
  ostreeChecksumBytes,
  ostreeChecksumFromBytes,
  parseOstreeChecksum,
} from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';

const HEX = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';

describe('checksums', () => {
  test('are 64 lowercase hex digits', () => {
    const checksum = parseOstreeChecksum(HEX);
    expect(ostreeChecksumFromBytes(ostreeChecksumBytes(checksum))).toBe(checksum);
    expect(ostreeChecksumBytes(checksum)).toHaveLength(32);
  });

  test.each(['', HEX.slice(1), `${HEX}0`, HEX.toUpperCase(), `${HEX.slice(1)}g`, `${HEX}\n`])(
    'not %j',
    (text) => {
      expect(isOstreeChecksum(text)).toBe(false);
      expect(() => parseOstreeChecksum(text)).toThrow(/not an OSTree checksum/);
    },
  );

  test.each([0, 31, 33])('not of %d bytes', (length) => {
    expect(() => ostreeChecksumFromBytes(new Uint8Array(length))).toThrow(/expected 32/);
  });
});

describe('refs', () => {
  // As `ostree refs --create` of 2022.7 takes and refuses them.
  test.each(['a', '_x', 'a..b', 'fleet/x86_64/stable-1.2', 'a/b-_.c', 'x'.repeat(255)])(
    'take %j',
    (text) => {
      expect(parseOstreeRef(text)).toBe(text);
    },
  );

  test.each([
    ...['', '/', 'a/', '/a', 'a//b', '-a', 'a/-b', '.a', 'a/.b', '..', 'a/..'],
    ...['a+b', 'a b', 'a\n', 'a:b', 'ä', 'a\0', 'x'.repeat(256)],
  ])('refuse %j', (text) => {
    expect(() => parseOstreeRef(text)).toThrow(/not an OSTree ref/);
  });
});
