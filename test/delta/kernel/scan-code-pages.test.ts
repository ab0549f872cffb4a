import { describe, expect, it } from 'vitest';
import { CODES, program } from './code-programs.ts';
import { ScanSession } from './scan-session.ts';

describe.each(Object.entries(CODES))('pages of %s code', (_name, { machine, code, least }) => {
  const { bytes } = program(machine, code);
  const inMemory = new ScanSession(bytes, 'memory');
  const expected = inMemory.scanAll(inMemory.parse());

  it('have many references, which do not overlap', () => {
    expect(expected.length).toBeGreaterThan(least);
    for (let i = 1; i < expected.length; i++) {
      expect(expected[i]?.offset).toBeGreaterThanOrEqual((expected[i - 1]?.offset ?? 0) + 4);
    }
  });

  it('do not depend on what was scanned before, nor on where the bytes are', () => {
    const session = new ScanSession(bytes, 'host');
    const image = session.parse();
    expect(session.scanAll(image, (pages) => pages.reverse())).toEqual(expected);
    expect(session.scanAll(image, (pages) => pages.sort((a, b) => (a % 3) - (b % 3)))).toEqual(
      expected,
    );
  });

  it.each([1, 1000, 4098])('are the same %i bytes further on', (shift) => {
    const old = new Uint8Array(shift + bytes.length);
    old.set(bytes, shift);
    const session = new ScanSession(old, 'host');
    const moved = session.scanAll(session.parse(shift));
    expect(moved.map((ref) => ({ ...ref, offset: ref.offset - shift }))).toEqual(expected);
  });
});
