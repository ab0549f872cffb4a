import fc from 'fast-check';
import { expect, it } from 'vitest';

import { BytePair } from '../../../../delta/ostree/static-delta/byte-pair.ts';

/** Bytes of all kinds, and the same with some of them changed; `from` is where they begin in their buffer. */
const cases = fc
  .record({
    old: fc.uint8Array({ minLength: 40, maxLength: 120 }),
    changes: fc.array(fc.tuple(fc.nat(119), fc.constantFrom(0, 1, 127, 128, 129, 255))),
    from: fc.nat(7),
    oldOffset: fc.nat(9),
    newOffset: fc.nat(9),
    length: fc.nat(30),
  })
  .map(({ old, changes, from, ...rest }) => {
    const shifted = (bytes: Uint8Array): Uint8Array => {
      const room = new Uint8Array(from + bytes.length);
      room.set(bytes, from);
      return room.subarray(from);
    };
    const fresh = Uint8Array.from(old);
    for (const [at, byte] of changes) if (at < fresh.length) fresh[at] = byte;
    return { old: shifted(old), fresh: shifted(fresh), ...rest };
  });

it('counts, follows and subtracts bytes as one after another would', () => {
  fc.assert(
    fc.property(cases, ({ old, fresh, oldOffset, newOffset, length }) => {
      const before = [...old.subarray(oldOffset, oldOffset + length)];
      const after = [...fresh.subarray(newOffset, newOffset + length)];
      const pair = new BytePair(old, fresh);
      const isEqual = before.map((byte, i) => byte === after[i]);
      expect(pair.countEqual(oldOffset, newOffset, length)).toBe(isEqual.filter(Boolean).length);
      const run = isEqual.indexOf(false);
      expect(pair.equalRun(oldOffset, newOffset, length)).toBe(run < 0 ? length : run);
      const difference = new Uint8Array(length);
      pair.subtract(oldOffset, newOffset, difference);
      expect([...difference]).toEqual(
        before.map((byte, i) => ((after[i] ?? Number.NaN) - byte) & 0xff),
      );
    }),
    { numRuns: 2000 },
  );
});
