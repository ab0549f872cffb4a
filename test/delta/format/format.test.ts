import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteReader, ByteWriter } from '../../../delta/format/bytes.ts';
import { DiffReader, DiffWriter } from '../../../delta/format/diffs.ts';
import { formatHeader, readHeader, type DeltaHeader } from '../../../delta/format/header.ts';
import { readNotes, reasonText, writeNote } from '../../../delta/format/notes.ts';
import {
  EFFORTS,
  packStream,
  readStreamHead,
  unpackStream,
  writeStreamHead,
} from '../../../delta/format/stream.ts';
import { digestOf } from '../../../storage/digest.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import { noise, prose } from '../support.ts';

describe('numbers', () => {
  it('read as they were written, in the shortest form', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), fc.array(fc.integer()), (naturals, integers) => {
        const writer = new ByteWriter();
        for (const value of naturals) writer.varint(value);
        for (const value of integers) writer.zigzag(value);
        const reader = new ByteReader(writer.view(), 'test');
        expect(naturals.map(() => reader.varint())).toEqual(naturals);
        expect(integers.map(() => reader.zigzag())).toEqual(integers);
        reader.end();
      }),
    );
  });

  it.each([
    ['cut off', [0x80]],
    ['padded', [0x81, 0x00]],
    ['nine bytes long', [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x01]],
    ['past the bound', [0x7f]],
  ])('are refused when %s', (_name, bytes) => {
    const reader = new ByteReader(Buffer.from(bytes), 'test');
    expect(() => reader.varint(100)).toThrow(expect.objectContaining({ code: 'bad_format' }));
  });

  it('never read past the end', () => {
    const reader = new ByteReader(Buffer.from('abc'), 'test');
    expect(() => reader.bytes(4)).toThrow(/ends too early/);
    expect(reader.bytes(3).toString()).toBe('abc');
    expect(() => reader.byte()).toThrow(/ends too early/);
  });
});

describe('differences', () => {
  it('add up to the new bytes, however they are cut', () => {
    const pair = fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 400 });
    fc.assert(
      fc.property(pair, fc.integer({ min: 1, max: 50 }), (bytes, step) => {
        const old = Buffer.from(bytes.map(([a]) => a));
        const fresh = Buffer.from(bytes.map(([, b]) => b));
        const writer = new DiffWriter();
        for (const [a, b] of bytes) writer.difference((b - a) & 0xff);
        writer.flush();
        const reader = new DiffReader(writer.diffs.view(), writer.gaps.view());
        for (let at = 0; at < old.length; at += step) reader.addTo(old.subarray(at, at + step));
        reader.end();
        expect(old.equals(fresh)).toBe(true);
      }),
    );
  });

  it('that end too early or too late are refused', () => {
    const short = new DiffReader(Buffer.from([1]), Buffer.alloc(0));
    expect(() => {
      short.addTo(Buffer.alloc(2));
    }).toThrow(/ends too early/);
    const long = new DiffReader(Buffer.from([1, 1]), Buffer.alloc(0));
    long.addTo(Buffer.alloc(1));
    expect(() => {
      long.end();
    }).toThrow(/too many/);
    const zeros = new DiffReader(Buffer.from([0]), Buffer.from([9]));
    zeros.addTo(Buffer.alloc(3));
    expect(() => {
      zeros.end();
    }).toThrow(/too many/);
  });
});

describe('streams', () => {
  it.each([
    ['nothing', Buffer.alloc(0), [0]],
    ['noise', noise(500, 1), [1]],
    ['text', prose(5000, 1), [2, 3]],
  ])('%s comes back as it was', async (_name, raw, methods) => {
    for (const effort of Object.values(EFFORTS)) {
      const packed = await packStream(raw, effort);
      expect(methods).toContain(packed.method);
      const writer = new ByteWriter();
      writeStreamHead(writer, packed);
      const head = readStreamHead(new ByteReader(writer.view(), 'test'));
      expect((await unpackStream(head, Buffer.from(packed.stored))).equals(raw)).toBe(true);
    }
  });

  it('of another length than promised are refused', async () => {
    const packed = await packStream(prose(5000, 1), EFFORTS.fast);
    const stored = Buffer.from(packed.stored);
    for (const rawBytes of [0, 1, 4999, 5001]) {
      const head = { method: packed.method, rawBytes, storedBytes: stored.length };
      await expect(unpackStream(head, stored)).rejects.toMatchObject({ code: 'bad_format' });
    }
  });
});

describe('headers', () => {
  const digest = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => digestOf(bytes));
  const file = fc.record({ diffId: digest, size: fc.nat() });

  it('parse(format(x)) = x', async () => {
    const header: fc.Arbitrary<DeltaHeader> = fc.record({
      kind: fc.constantFrom('file' as const, 'tar' as const),
      ramBytes: fc.nat(),
      framesBytes: fc.constant(0),
      base: fc.tuple(file),
      outputs: fc.tuple(file.map((facts) => ({ ...facts, reuse: false }))),
      image: fc.constant(undefined),
    });
    await fc.assert(
      fc.asyncProperty(header, async (facts) => {
        const bytes = await formatHeader(facts, EFFORTS.fast);
        const read = await readHeader(new BufferAccess(bytes));
        expect(read).toEqual({ header: facts, framesOffset: bytes.length });
      }),
    );
  });
});

describe('notes', () => {
  it('read as they were written, names cut to their bound', () => {
    const note = { codec: 2, reason: 1, count: 1, rawBytes: 5000, codedBytes: 70, name: 'a/b' };
    const writer = new ByteWriter();
    writeNote(writer, note);
    writeNote(writer, { ...note, name: 'x'.repeat(300) });
    expect(readNotes(Buffer.from(writer.view()))).toEqual([
      note,
      { ...note, name: 'x'.repeat(256) },
    ]);
    expect(reasonText(1)).toMatch(/difference/);
    expect(reasonText(200)).toBe('reason 200');
  });
});
