import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleElf } from '../../../bench/fuzz/sample-elf.ts';
import { type FoundRef, ScanSession } from './scan-session.ts';

/** Bytes of a field, by kind (delta/kernel/refs/kinds.ts). */
function fieldBytes(kind: number): number {
  if (kind === 2 || kind === 19) return 8;
  return kind === 17 ? 12 : 4;
}

function isOffsetKind(kind: number): boolean {
  return kind === 15 || kind === 16;
}

/** Where the last field ends; no number when they overlap or are out of order. */
function endOfFields(refs: FoundRef[]): number {
  let free = 0;
  for (const ref of refs) {
    if (ref.offset < free) return NaN;
    free = ref.offset + fieldBytes(ref.kind);
  }
  return free;
}

/** What a reference becomes when its file lies `offset` bytes and `addresses` addresses on. */
function moved(ref: FoundRef, offset: number, addresses: number): FoundRef {
  if (ref.kind === 18 || ref.kind === 19) return { ...ref, offset: ref.offset + offset };
  const shift = isOffsetKind(ref.kind) ? offset : addresses;
  const base = ref.base === 0 ? 0 : ref.base + shift;
  return { ...ref, offset: ref.offset + offset, target: ref.target + shift, base };
}

/** Pages that the kernel holds (kernel/scan/pages.ts). */
const SLOTS = 40;

describe.each([true, false])('scans by page, 64 bits: %s', (is64) => {
  const { bytes, places } = sampleElf(is64);
  const session = new ScanSession(bytes, 'memory');
  const image = session.parse();
  const refs = session.scanAll(image);

  it('find the same in any order, in memory and read from the host', () => {
    expect(refs.length).toBeGreaterThan(1000);
    const paged = new ScanSession(bytes, 'host');
    const other = paged.parse();
    expect(paged.scanAll(other, (pages) => pages.reverse())).toEqual(refs);
    expect(paged.scanAll(other, (pages) => [...pages, ...pages])).toEqual(refs);
    expect(session.scanAll(image, (pages) => pages.sort((a, b) => (a % 3) - (b % 3)))).toEqual(
      refs,
    );
  });

  it('find the same wherever pages begin', () => {
    const gaps = Array.from({ length: 50 }, (_, i) => 1 + 81 * i);
    // Pages that begin just after a unit of the notes on where records begin.
    const records = ['.eh_frame', '.gopclntab'].map((name) => places.offset(name));
    for (let after = 0; after < 20; after += 3) {
      gaps.push(...records.map((start) => 4096 - ((start + after) % 4096)));
    }
    for (const gap of gaps) {
      const paged = new ScanSession(Buffer.concat([Buffer.alloc(gap), bytes]), 'host');
      const found = paged.scanAll(paged.parse(gap, bytes.length, 0));
      expect(JSON.stringify(found)).toBe(JSON.stringify(refs.map((ref) => moved(ref, gap, 0))));
    }
  });

  it('find the same in two sources that share a page', () => {
    const gap = Buffer.alloc(1003, 0xe8);
    const both = Buffer.concat([gap, bytes, bytes]);
    const paged = new ScanSession(both, 'host');
    const second = gap.length + bytes.length;
    paged.parse(gap.length, bytes.length, 0x10000);
    paged.parse(second, bytes.length, 0x100000);
    const found: FoundRef[] = [];
    for (let page = 0; page * 4096 < both.length; page++) found.push(...paged.page(page).refs);
    const expected = [
      ...refs.map((ref) => moved(ref, gap.length, 0x10000)),
      ...refs.map((ref) => moved(ref, second, 0x100000)),
    ];
    expect(found).toEqual(expected);
  });

  it.each(['memory', 'host'] as const)('pages have their bytes and zeros after, %s', (place) => {
    const old = new ScanSession(bytes, place);
    old.parse();
    const padded = Buffer.concat([bytes, Buffer.alloc(8192)]);
    for (let page = 0; page * 4096 < bytes.length; page++) {
      const expected = padded.subarray(page * 4096, page * 4096 + 4096 + 16);
      expect(Buffer.compare(old.page(page).bytes, expected)).toBe(0);
    }
    for (const offset of [0, 4095, 4096, 5, bytes.length - 1]) {
      expect(old.kernel.oldByte(offset)).toBe(bytes[offset]);
    }
    expect(old.kernel.oldByte(bytes.length)).toBe(0);
  });

  it('rewritten fields come back exactly', () => {
    const old = new ScanSession(bytes, 'memory');
    old.parse();
    const log = old.kernel.rewriteOld();
    const now = old.bytes(old.base, bytes.length).slice();
    const touched = new Set(
      refs.flatMap((ref) => {
        return Array.from({ length: fieldBytes(ref.kind) }, (_, i) => ref.offset + i);
      }),
    );
    const changed = [...now.keys()].filter((at) => now[at] !== bytes[at]);
    expect(changed.length).toBeGreaterThan(1000);
    expect(changed.filter((at) => !touched.has(at))).toEqual([]);
    old.kernel.swap(log);
    expect(Buffer.compare(old.bytes(old.base, bytes.length), bytes)).toBe(0);
    old.kernel.swap(log);
    expect(Buffer.compare(old.bytes(old.base, bytes.length), now)).toBe(0);
  });

  it('rewritten fields of the new file hold their targets', () => {
    const host = new ScanSession(Buffer.alloc(10), 'host');
    const base = host.kernel.alloc(bytes.length);
    host.bytes(base, bytes.length).set(bytes);
    host.kernel.openOld(bytes.length, base);
    const fresh = host.kernel.parse(0, bytes.length, 0);
    host.kernel.openOld(10, 0);
    host.kernel.rewriteNew(base, bytes.length, fresh);
    const view = Buffer.from(host.bytes(base, bytes.length));
    for (const ref of refs.filter((one) => one.kind < 6 || one.kind === 13 || one.kind === 15)) {
      expect(view.readUInt32LE(ref.offset)).toBe(ref.target);
    }
  });

  it('forget the page that was not asked for the longest', () => {
    const large = Buffer.concat([bytes, Buffer.alloc(4096 * 80)]);
    const old = new ScanSession(large, 'host');
    old.parse(0, bytes.length);
    const before = old.page(0);
    for (let page = 1; page < SLOTS; page++) old.page(page);
    const reads = old.reads;
    old.page(0);
    old.kernel.oldByte(4096 * (SLOTS - 1));
    expect(old.reads).toBe(reads);
    for (let page = SLOTS; page < SLOTS + 16; page++) old.page(page);
    old.page(0);
    expect(old.page(0)).toEqual(before);
    const known = old.reads;
    old.page(20);
    expect(old.reads).toBe(known);
    old.page(1);
    expect(old.reads).toBeGreaterThan(known);
  });

  it('hold against any damage: no trap, few reads, references in order', () => {
    const damage = fc.record({
      at: fc.oneof(
        fc.nat(0x100),
        fc.nat(bytes.length - 1),
        fc.integer({ min: bytes.length - 12 * 64, max: bytes.length - 1 }),
        fc.constantFrom(...refs.map((ref) => ref.offset)),
      ),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
      count: fc.constantFrom(1, 1, 1, 4, 8),
    });
    const property = fc.property(fc.array(damage, { minLength: 1, maxLength: 6 }), (damages) => {
      const broken = bytes.slice();
      for (const { at, value, count } of damages) broken.fill(value, at, at + count);
      const paged = new ScanSession(broken, 'host');
      const found = paged.scanAll(paged.parse());
      expect(paged.reads).toBeLessThan(2000);
      expect(paged.readBytes).toBeLessThan(20 * broken.length);
      expect(endOfFields(found)).toBeLessThanOrEqual(broken.length);
      const whole = new ScanSession(broken, 'memory');
      expect(whole.scanAll(whole.parse())).toEqual(found);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
