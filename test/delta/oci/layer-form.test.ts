import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { makeLayerForm } from '../../../delta/oci/zstd-chunked/layer-form.ts';
import { BlobStore, readBlob } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { parseChunkIndex } from '../../../storage/chunk/chunk-index.ts';
import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { parseCompositeMap } from '../../../storage/composite/composite-map.ts';
import { CompositeReader } from '../../../storage/composite/composite-reader.ts';
import { digestOf } from '../../../storage/digest.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { writeTar } from '../../../bench/demo/tar-writer.ts';
import { seededBytes } from '../../clients/oci-image.ts';

const MAX = 64 * 1024 * 1024;
let dir: string;
let blobs: BlobStore;
let catalog: Catalog;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rivulet-form-'));
  mkdirSync(join(dir, 'scratch'));
  blobs = new BlobStore(createMemoryStore());
  catalog = await openSqliteCatalog(':memory:', Date.now);
});

afterEach(async () => {
  await catalog.close();
  expect(readdirSync(join(dir, 'scratch'))).toEqual([]);
  rmSync(dir, { recursive: true });
});

interface Entry {
  type: string;
  name: string;
  size?: number;
  offset: number;
  endOffset: number;
  digest?: string;
  chunkDigest?: string;
  chunkOffset?: number;
  [field: string]: unknown;
}

/** Chunks a tar and makes its form; the whole composite and its table of contents. */
async function formOf(tar: Buffer) {
  const { digest } = await blobs.putBytes(tar);
  const scratch = join(dir, 'scratch');
  const chunked = await ingestLayer({ blobs, layers: catalog.layers, digest, scratch });
  const index = parseChunkIndex(await readBlob(blobs, chunked.index.digest, { maxBytes: MAX }));
  const form = await makeLayerForm({ blobs, index, scratch });
  const range = { start: 0, endExclusive: form.size };
  const bytes = await buffer(await new CompositeReader(blobs).open(form.map.digest, range));
  const [at = 0, length = 0] = (
    form.annotations['io.github.containers.zstd-chunked.manifest-position'] ?? ''
  )
    .split(':')
    .map(Number);
  const table = bytes.subarray(at, at + length);
  expect(digestOf(table)).toBe(form.annotations['io.containers.zstd-chunked.manifest-checksum']);
  const toc = JSON.parse((await raw(table)).toString('utf8')) as { entries: Entry[] };
  return { form, index, bytes, entries: toc.entries };
}

const raw = async (zstd: Buffer): Promise<Buffer> => {
  const { Readable } = await import('node:stream');
  const parts: Buffer[] = [];
  for await (const part of openLayer(Readable.from([zstd]), { maxRawBytes: MAX })) parts.push(part);
  return Buffer.concat(parts);
};

const file = (path: string, bytes: Buffer) => ({ path, mode: 0o644, bytes });
const tree = writeTar([
  file('bin/program', seededBytes('program', 900_000)),
  file('bin/zeros', Buffer.alloc(600_000)),
  ...Array.from({ length: 40 }, (_, n) => file(`lib/${n}`, seededBytes(`lib ${n}`, n * 900))),
  file('etc/empty', Buffer.alloc(0)),
]);

describe('makeLayerForm', () => {
  it('makes a zstd layer of the same tar whose table finds every file', async () => {
    const { form, bytes, entries } = await formOf(tree);
    expect(digestOf(bytes)).toBe(form.digest);
    expect((await raw(bytes)).equals(tree)).toBe(true);
    const files = entries.filter(({ type }) => type === 'reg');
    expect(files).toHaveLength(43);
    for (const { name, size = 0, digest, offset, endOffset } of files) {
      const content = size === 0 ? Buffer.alloc(0) : await raw(bytes.subarray(offset, endOffset));
      expect(content.length, name).toBe(size);
      expect(digest, name).toBe(size === 0 ? undefined : digestOf(content));
    }
    // A part of a large file stands for itself.
    for (const { type, offset, endOffset, chunkDigest } of entries) {
      if (type !== 'chunk') continue;
      expect(chunkDigest).toBe(digestOf(await raw(bytes.subarray(offset, endOffset))));
    }
    expect(entries.filter(({ type }) => type === 'chunk').length).toBeGreaterThan(5);
  });

  it('takes the frames of large files from the packs', async () => {
    const { form, index } = await formOf(writeTar([file('program', seededBytes('p', 2_000_000))]));
    const map = parseCompositeMap(await readBlob(blobs, form.map.digest, { maxBytes: MAX }));
    const packed = map.parts.filter(({ blob }) => blob === index.packs[0]);
    expect(packed.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(2_000_000);
    expect(form.own.size).toBeLessThan(2000);
  });

  it('writes tables of any size, frame by frame', async () => {
    const names = Array.from({ length: 6000 }, (_, n) => `${'long-name-'.repeat(8)}${n}`);
    const { entries, form } = await formOf(writeTar(names.map((name) => file(name, Buffer.of(1)))));
    expect(entries.map(({ name }) => name).sort()).toEqual([...names].sort());
    const [, , tableBytes = 0] = (
      form.annotations['io.github.containers.zstd-chunked.manifest-position'] ?? ''
    )
      .split(':')
      .map(Number);
    expect(tableBytes).toBeGreaterThan(1024 * 1024);
  });

  it('serves every range as a slice of the whole', async () => {
    const { form, bytes } = await formOf(tree);
    const reader = new CompositeReader(blobs);
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(fc.nat(bytes.length - 1), fc.nat(bytes.length - 1)),
        async ([one, other]) => {
          const range = { start: Math.min(one, other), endExclusive: Math.max(one, other) + 1 };
          const part = await buffer(await reader.open(form.map.digest, range));
          expect(part.equals(bytes.subarray(range.start, range.endExclusive))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(['gnu', 'posix', 'ustar'] as const)(
    'tells of links, times, modes and long names of a %s tar',
    async (format) => {
      const tmp = join(dir, 'in');
      const long = `${'d/'.repeat(60)}long`;
      mkdirSync(join(tmp, 'd/'.repeat(60)), { recursive: true });
      writeFileSync(join(tmp, long), 'deep');
      writeFileSync(join(tmp, 'file'), 'content');
      symlinkSync('file', join(tmp, 'link'));
      execFileSync('ln', [join(tmp, 'file'), join(tmp, 'zhard')]);
      const args = ['-C', tmp, '--sort=name', '--owner=7', '--group=8', `--format=${format}`];
      const tar = execFileSync('tar', [...args, '--mtime=@1700000000', '-cf', '-', '.']);
      const { entries, bytes } = await formOf(tar);
      expect((await raw(bytes)).equals(tar)).toBe(true);
      const named = (name: string) => entries.find((entry) => entry.name === name);
      expect(named('./file')).toMatchObject({
        ...{ type: 'reg', size: 7, uid: 7, gid: 8, mode: 0o644 },
        ...{ modtime: '2023-11-14T22:13:20Z', digest: digestOf(Buffer.from('content')) },
      });
      expect(named('./link')).toMatchObject({ type: 'symlink', linkName: 'file' });
      expect(named('./zhard')).toMatchObject({ type: 'hardlink', linkName: './file' });
      expect(named(`./${long}`)).toMatchObject({ type: 'reg', size: 4 });
      expect(named('./')).toMatchObject({ type: 'dir' });
    },
  );

  it.each([
    ['a name that is not UTF-8', writeTar([file('a\xff', Buffer.from('x'))]), /not UTF-8/],
    [
      'two entries of one name',
      Buffer.concat([
        writeTar([file('a', Buffer.from('1'))]).subarray(0, 1024),
        writeTar([file('a', Buffer.from('2'))]),
      ]),
      /two of that name/,
    ],
    [
      'bytes that are no header where one should be',
      Buffer.concat([
        writeTar([file('a', Buffer.from('1'))]).subarray(0, 1024),
        Buffer.alloc(512, 7),
      ]),
      /does not end/,
    ],
  ] as const)('refuses %s', async (_, tar, why) => {
    const bytes = Buffer.from(tar);
    if (why.source.includes('UTF-8')) {
      // The writer encodes names: put the byte back, and the checksum with it.
      bytes.writeUInt8(0xff, 1);
      bytes.writeUInt8(0, 2);
      bytes.fill(' ', 148, 156);
      const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
      bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    }
    await expect(formOf(bytes)).rejects.toThrow(why);
  });
});
