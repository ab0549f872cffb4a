import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ByteReader, ByteWriter } from '../../../delta/format/bytes.ts';
import { DiffReader, DiffWriter } from '../../../delta/format/diffs.ts';
import { isDigestOf, type DeltaHeader } from '../../../delta/format/facts.ts';
import { formatHeader, readHeader } from '../../../delta/format/header.ts';
import { readNotes, reasonText, writeNote } from '../../../delta/format/notes.ts';
import {
  readShortHead,
  readStreamHead,
  writeShortHead,
} from '../../../delta/format/stream-head.ts';
import { EFFORTS, packStream, unpackStream } from '../../../delta/format/stream.ts';
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
      if (packed.rawBytes === 0) continue;
      const writer = new ByteWriter();
      writeShortHead(writer, packed);
      const head = readShortHead(new ByteReader(writer.view(), 'test'));
      expect(head).toEqual({ ...packed, stored: undefined, storedBytes: packed.stored.length });
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

describe('heads of streams', () => {
  it.each([
    ['an unknown method', [4, 1]],
    ['more than a stream may have', [1, 0x81, 0x80, 0x80, 0x08]],
    ['more stored bytes than they hold', [2, 5, 5]],
  ])('of version 1 with %s are refused', (_name, bytes) => {
    const reader = new ByteReader(Buffer.from(bytes), 'test');
    expect(() => readStreamHead(reader)).toThrow(expect.objectContaining({ code: 'bad_format' }));
  });

  it.each([
    ['no method', [40]],
    ['no bytes', [1]],
    ['more than a stream may have', [0x85, 0x80, 0x80, 0x20]],
    ['more stored bytes than they hold', [22, 5]],
  ])('of version 2 with %s are refused', (_name, bytes) => {
    const reader = new ByteReader(Buffer.from(bytes), 'test');
    expect(() => readShortHead(reader)).toThrow(expect.objectContaining({ code: 'bad_format' }));
  });
});

describe('headers', () => {
  const digest = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => digestOf(bytes));
  const file = fc.record({ diffId: digest, size: fc.nat() });

  it('of files and tars hold sizes, whole MiB, and the beginning of each digest', async () => {
    const header: fc.Arbitrary<DeltaHeader> = fc.record({
      version: fc.constant(2 as const),
      kind: fc.constantFrom('file' as const, 'tar' as const),
      ramBytes: fc.nat(1000).map((mebibytes) => mebibytes * 2 ** 20),
      framesBytes: fc.constant(0),
      base: fc.tuple(file),
      outputs: fc.tuple(file.map((facts) => ({ ...facts, reuse: false }))),
      isWhole: fc.constant(false),
      image: fc.constant(undefined),
    });
    await fc.assert(
      fc.asyncProperty(header, async (facts) => {
        const bytes = await formatHeader(facts, EFFORTS.fast);
        expect(bytes.length).toBeLessThanOrEqual(54);
        const read = await readHeader(new BufferAccess(bytes));
        const { base, outputs, ...rest } = read.header;
        expect(rest).toEqual({ ...facts, base: undefined, outputs: undefined });
        expect(read.framesOffset).toBe(bytes.length);
        for (const [got, promised] of [
          [base[0], facts.base[0]],
          [outputs[0], facts.outputs[0]],
        ]) {
          expect(got?.size).toBe(promised?.size);
          expect(got !== undefined && promised && isDigestOf(got.diffId, promised.diffId)).toBe(
            true,
          );
          expect(got?.diffId).toHaveLength('sha256:'.length + 32);
        }
      }),
    );
  });

  it('of images hold everything', async () => {
    const base = [{ diffId: digestOf(Buffer.from('a')), size: 5 }];
    const outputs = [
      { diffId: digestOf(Buffer.from('b')), size: 2 ** 40, reuse: false },
      { diffId: digestOf(Buffer.from('c'), 'sha512'), size: 7, reuse: true },
    ];
    const facts: DeltaHeader = {
      ...{ version: 2, kind: 'image', ramBytes: 2 ** 24, framesBytes: 0, isWhole: false },
      ...{ base, outputs },
      image: {
        from: digestOf(Buffer.from('d')),
        to: digestOf(Buffer.from('e')),
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        manifestBytes: Buffer.from('{}'),
        configBytes: Buffer.from('{"a":1}'),
      },
    };
    const bytes = await formatHeader(facts, EFFORTS.small);
    const read = await readHeader(new BufferAccess(bytes));
    expect(read).toEqual({ header: facts, framesOffset: bytes.length });
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
