import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { checksumBytes, checksumOf } from '../../../../delta/ostree/objects/checksum.ts';
import { formatDirmeta } from '../../../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { FileHasher } from '../../../../delta/ostree/objects/file-checksum.ts';
import { formatBsdiff } from '../../../../delta/ostree/static-delta/bsdiff-stream.ts';
import type { PartObject } from '../../../../delta/ostree/static-delta/object-list.ts';
import type { Operation } from '../../../../delta/ostree/static-delta/operations.ts';
import { parsePayload } from '../../../../delta/ostree/static-delta/payload.ts';
import { Spool } from '../../../../delta/ostree/static-delta/spool.ts';
import { BufferAccess } from '../../../../storage/random-access.ts';
import { noise } from '../../support.ts';
import { rejectionOf } from '../code-of.ts';
import { applyHandMade, operationBytes, partOf, payloadOf, PLAIN } from './hand-made.ts';
import { MemoryRepo, REGULAR, SYMLINK } from './memory-repo.ts';

const repo = new MemoryRepo();
const base = noise(5000, 1);
const baseSum = repo.addFile({ content: base });

function fileOf(content: Buffer): PartObject {
  const checksum = new FileHasher({ ...PLAIN, target: '', xattrs: [] }).update(content).digest();
  return { kind: 'file', checksum };
}

describe('the worked part of the format notes', () => {
  const meta = formatDirmeta({ uid: 0, gid: 0, mode: 0o040_755, xattrs: [] });
  const file = fileOf(Buffer.from('hi\n'));
  const tree = formatDirtree({ files: [{ name: 'a', checksum: file.checksum }], directories: [] });
  const part = {
    objects: [
      { kind: 'dirtree', checksum: checksumOf(tree) },
      { kind: 'dirmeta', checksum: checksumOf(meta) },
      file,
    ],
    blob: Buffer.concat([tree, meta, Buffer.from('hi\n')]),
    operations: [
      { kind: 'splice-metadata', length: 37, offset: 0 },
      { kind: 'splice-metadata', length: 12, offset: 37 },
      { kind: 'splice-file', mode: 0, xattrs: 0, length: 3, offset: 49 },
    ],
  } as const;

  it('is written byte for byte', () => {
    const expected = [
      '00000000 00000000 000081a4',
      '00',
      tree.toString('hex'),
      meta.toString('hex'),
      '68690a',
      '53 25 00',
      '53 0c 25',
      '53 00 00 03 31',
      '41 0d 0c',
    ];
    expect(tree).toHaveLength(37);
    expect(meta).toHaveLength(12);
    expect(payloadOf(part).toString('hex')).toBe(expected.join('').replaceAll(' ', ''));
  });

  it('makes its three objects', async () => {
    const sink = await applyHandMade(repo, partOf(part));
    expect(sink.objects).toEqual(part.objects.map(({ kind, checksum }) => `${kind} ${checksum}`));
  });
});

/** A blob whose first 32 bytes name the base, and what follows. */
function blobWith(...more: readonly Uint8Array[]): Buffer {
  return Buffer.concat([checksumBytes(baseSum), ...more]);
}

const source: Operation = { kind: 'set-read-source', offset: 0 };
const close: Operation = { kind: 'close' };

function open(length: number): Operation {
  return { kind: 'open', mode: 0, xattrs: 0, length };
}

describe('operations', () => {
  it('write from the blob and from sources, in turns', async () => {
    const made = Buffer.concat([base.subarray(10, 1010), Buffer.from('new'), base.subarray(0, 5)]);
    const sink = await applyHandMade(
      repo,
      partOf({
        objects: [fileOf(made)],
        blob: blobWith(Buffer.from('new')),
        operations: [
          open(1008),
          source,
          { kind: 'write', length: 1000, offset: 10 },
          { kind: 'unset-read-source' },
          { kind: 'write', length: 3, offset: 32 },
          source,
          { kind: 'write', length: 5, offset: 0 },
          close,
        ],
      }),
    );
    expect(sink.contents.get(fileOf(made).checksum)?.equals(made)).toBe(true);
  });

  it('patch, and forget the source at the close', async () => {
    const made = Buffer.concat([
      Buffer.from(base.map((b, i) => (i % 50 === 0 ? b + 3 : b))),
      noise(9, 2),
    ]);
    const stream = formatBsdiff(base, made, [{ oldOffset: 0, diffLength: 5000, extraLength: 9 }]);
    const tail = Buffer.from('tail');
    const sink = await applyHandMade(
      repo,
      partOf({
        objects: [fileOf(made), fileOf(tail)],
        blob: blobWith(stream, tail),
        operations: [
          source,
          open(made.length),
          { kind: 'bspatch', offset: 32, length: stream.length },
          close,
          open(4),
          { kind: 'write', length: 4, offset: 32 + stream.length },
          close,
        ],
      }),
    );
    expect(sink.objects).toHaveLength(2);
  });

  it('read what the same part made before, slices and written files', async () => {
    const [first, second] = [noise(3000, 3), noise(500, 4)];
    const both = Buffer.concat([second, first.subarray(1000)]);
    const sums = [fileOf(first), fileOf(second)].map(({ checksum }) => checksumBytes(checksum));
    const blob = Buffer.concat([...sums, first, second]);
    const sink = await applyHandMade(
      repo,
      partOf({
        objects: [fileOf(first), fileOf(second), fileOf(both)],
        blob,
        operations: [
          { kind: 'splice-file', mode: 0, xattrs: 0, length: 3000, offset: 64 },
          open(500),
          { kind: 'write', length: 500, offset: 3064 },
          close,
          open(2500),
          { kind: 'set-read-source', offset: 32 },
          { kind: 'write', length: 500, offset: 0 },
          { kind: 'set-read-source', offset: 0 },
          { kind: 'write', length: 2000, offset: 1000 },
          close,
        ],
      }),
    );
    expect(sink.contents.get(fileOf(both).checksum)?.equals(both)).toBe(true);
  });

  it('make symlinks of their targets, and empty files', async () => {
    const target = Buffer.from('../ünknown');
    const header = { uid: 0, gid: 0, mode: SYMLINK, target: target.toString(), xattrs: [] };
    const link = { kind: 'file', checksum: new FileHasher(header).digest() } as const;
    const sink = await applyHandMade(
      repo,
      partOf({
        objects: [link, fileOf(Buffer.alloc(0)), fileOf(Buffer.alloc(0))],
        blob: target,
        modes: [PLAIN, { ...PLAIN, mode: SYMLINK }],
        operations: [
          { kind: 'splice-file', mode: 1, xattrs: 0, length: target.length, offset: 0 },
          { kind: 'splice-file', mode: 0, xattrs: 0, length: 0, offset: 0 },
          open(0),
          close,
        ],
        contentBytes: 0,
      }),
    );
    expect(sink.contents.get(link.checksum)?.equals(target)).toBe(true);
  });
});

describe('a lie', () => {
  const hi = fileOf(Buffer.from('hi'));
  const splice: Operation = { kind: 'splice-file', mode: 0, xattrs: 0, length: 2, offset: 0 };
  const blob = blobWith(Buffer.from('hi'));
  const write = (length: number, offset: number): Operation => ({ kind: 'write', length, offset });

  it.each<[string, Parameters<typeof partOf>[0], string]>([
    ['other bytes', { objects: [hi], blob, operations: [splice] }, 'output_mismatch'],
    ['a slice past the blob', { objects: [hi], operations: [splice] }, 'bad_format'],
    [
      'an unknown mode',
      { objects: [hi], blob, operations: [{ ...splice, mode: 1 }] },
      'bad_format',
    ],
    [
      'unknown xattrs',
      { objects: [hi], blob, operations: [{ ...splice, xattrs: 1 }] },
      'bad_format',
    ],
    ['no operations', { objects: [hi], operations: [] }, 'bad_format'],
    ['too many operations', { objects: [], blob, operations: [splice] }, 'bad_format'],
    ['an unknown operation', { objects: [hi], operations: Buffer.from('x') }, 'bad_format'],
    [
      'a cut number',
      { objects: [hi], operations: Buffer.from('o\x00\x00\xff', 'latin1') },
      'bad_format',
    ],
    ['a write outside', { objects: [hi], blob, operations: [write(2, 32)] }, 'bad_format'],
    ['a close outside', { objects: [hi], blob, operations: [close] }, 'bad_format'],
    ['two opens', { objects: [hi], blob, operations: [open(2), open(2)] }, 'bad_format'],
    ['a splice inside', { objects: [hi], blob, operations: [open(2), splice] }, 'bad_format'],
    ['no close', { objects: [hi], blob, operations: [open(2), write(2, 32)] }, 'bad_format'],
    [
      'a short file',
      { objects: [hi], blob, operations: [open(2), write(1, 32), close] },
      'bad_format',
    ],
    [
      'a long file',
      { objects: [hi], blob, operations: [open(2), write(3, 31), close] },
      'bad_format',
    ],
    [
      'a write past the blob',
      { objects: [hi], blob, operations: [open(2), write(2, 33)] },
      'bad_format',
    ],
    [
      'a write past the source',
      { objects: [hi], blob, operations: [open(2), source, write(2, 4999)] },
      'bad_format',
    ],
    ['a source past the blob', { objects: [hi], operations: [source] }, 'bad_format'],
    [
      'an unknown source',
      { objects: [hi], blob: Buffer.alloc(32), operations: [source, open(0), close] },
      'missing',
    ],
    [
      'a patch of nothing',
      { objects: [hi], blob, operations: [open(2), { kind: 'bspatch', offset: 0, length: 2 }] },
      'bad_format',
    ],
    [
      'a patch of the rest',
      {
        objects: [hi],
        blob,
        operations: [open(2), write(1, 32), source, { kind: 'bspatch', offset: 0, length: 2 }],
      },
      'bad_format',
    ],
    [
      'too much content',
      { objects: [hi], blob, operations: [{ ...splice, offset: 32 }], contentBytes: 3 },
      'bad_format',
    ],
    [
      'too little content',
      { objects: [hi], blob, operations: [{ ...splice, offset: 32 }], contentBytes: 1 },
      'bad_format',
    ],
    [
      'metadata that is none',
      {
        objects: [{ kind: 'dirtree', checksum: hi.checksum }],
        blob,
        operations: [{ kind: 'splice-metadata', length: 2, offset: 0 }],
      },
      'output_mismatch',
    ],
    [
      'an opened dirtree',
      { objects: [{ kind: 'dirtree', checksum: hi.checksum }], blob, operations: [open(2)] },
      'bad_format',
    ],
    [
      'an opened symlink',
      { objects: [hi], modes: [{ ...PLAIN, mode: SYMLINK }], operations: [open(2)] },
      'bad_format',
    ],
    [
      'a device',
      { objects: [hi], blob, modes: [{ ...PLAIN, mode: 0o060_644 }], operations: [splice] },
      'bad_format',
    ],
    [
      'a symlink to what is no text',
      {
        objects: [hi],
        blob: Buffer.of(0xff, 0xfe),
        modes: [{ ...PLAIN, mode: SYMLINK }],
        operations: [splice],
      },
      'bad_format',
    ],
    [
      'a symlink to nowhere',
      {
        objects: [hi],
        modes: [{ ...PLAIN, mode: SYMLINK }],
        operations: [{ ...splice, length: 0 }],
      },
      'bad_format',
    ],
  ])('is found: %s', async (_name, part, code) => {
    expect((await rejectionOf(applyHandMade(repo, partOf(part)))).code).toBe(code);
  });

  it('is found: another file than promised', async () => {
    const { part, file } = partOf({ objects: [hi], blob, operations: [{ ...splice, offset: 32 }] });
    const flipped = Buffer.from(file);
    flipped[20] = 1;
    for (const [bytes, code] of [
      [file.subarray(1), 'size_mismatch'],
      [Buffer.concat([file, file]), 'size_mismatch'],
      [flipped, 'digest_mismatch'],
      [Buffer.alloc(0), 'size_mismatch'],
    ] as const) {
      expect((await rejectionOf(applyHandMade(repo, { part, file: bytes }))).code).toBe(code);
    }
  });

  it('is found: an unknown type', async () => {
    const file = Buffer.from('?hello');
    const part = { checksum: checksumOf(file), size: 6, contentBytes: 0, objects: [] };
    expect((await rejectionOf(applyHandMade(repo, { part, file }))).code).toBe('bad_format');
  });

  it('is found: more content than is allowed', async () => {
    const { part, file } = partOf({ objects: [hi], operations: [], contentBytes: 2 ** 40 });
    expect((await rejectionOf(applyHandMade(repo, { part, file }))).code).toBe('too_large');
  });

  it('is found in the frame of a payload', async () => {
    const payload = payloadOf({ objects: [], blob, operations: [] });
    const tables: [number, number][] = [
      [payload.length - 1, 14],
      [payload.length - 2, 1],
      [payload.length - 3, 255],
      [payload.length - 1, 11],
    ];
    for (const [at, value] of tables) {
      const broken = Buffer.from(payload);
      broken[at] = value;
      const fault = await rejectionOf(parsePayload(new BufferAccess(broken), 'a part'));
      expect(fault.code).toBe('bad_format');
    }
    for (const bytes of [Buffer.alloc(2), Buffer.alloc(258)]) {
      const fault = await rejectionOf(parsePayload(new BufferAccess(bytes), 'a part'));
      expect(fault.code).toBe('bad_format');
    }
  });
});

it('large contents go through a file that is gone afterwards', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-spool-'));
  const spool = new Spool(folder, 1000);
  const bytes = noise(5000, 5);
  try {
    for (let at = 0; at < 5000; at += 700) await spool.append(bytes.subarray(at, at + 700));
    const part = Buffer.alloc(1000);
    spool.slice(500, 4000).readSync(3000, part);
    expect(part.equals(bytes.subarray(3500, 4500))).toBe(true);
    spool.rewind(2000);
    await spool.append(Buffer.from('over'));
    expect((await spool.slice(1999, 5).read(1, 4)).toString()).toBe('over');
    const slice = spool.slice(0, 5000);
    expect((await rejectionOf(slice.read(0, 1))).code).toBe('range_unsatisfiable');
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    await spool.close();
    await rm(folder, { recursive: true });
  }
});

it('operations are written as libostree reads them', () => {
  const bytes = operationBytes([
    { kind: 'open', mode: 1, xattrs: 2, length: 300 },
    { kind: 'set-read-source', offset: 128 },
    { kind: 'write', length: 5, offset: 6 },
    { kind: 'unset-read-source' },
    { kind: 'bspatch', offset: 7, length: 8 },
    { kind: 'close' },
  ]);
  expect(bytes.toString('hex')).toBe('6f0102ac02' + '728001' + '770506' + '52' + '420708' + '63');
  expect(REGULAR & 4).toBe(4);
});
