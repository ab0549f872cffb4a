import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { walkTar, type TarMap } from '../../../delta/tree/walk.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import {
  END_OF_TAR,
  makeTar,
  padding,
  paxRecords,
  prose,
  sealed,
  tarEntry,
  touched,
} from '../support.ts';

function walk(tar: Buffer): Promise<TarMap | undefined> {
  return walkTar(new BufferAccess(tar));
}

/** Headers, payloads, paddings and trailer must be the whole tar, in order. */
function reassemble(tar: Buffer, map: TarMap): Buffer {
  const parts = map.entries.flatMap((entry) => {
    const payloadEnd = entry.payloadStart + entry.payloadBytes;
    return [
      tar.subarray(entry.start, entry.payloadStart),
      tar.subarray(entry.payloadStart, payloadEnd),
      tar.subarray(payloadEnd, entry.end),
    ];
  });
  return Buffer.concat([...parts, tar.subarray(map.trailerStart)]);
}

async function expectNames(tar: Buffer, names: readonly string[]): Promise<TarMap> {
  const map = await walk(tar);
  expect(map?.entries.map((entry) => entry.name.toString('latin1'))).toEqual(names);
  if (map === undefined) throw new Error('no tar');
  expect(reassemble(tar, map).equals(tar)).toBe(true);
  return map;
}

describe('walkTar', () => {
  it('maps files, directories and links', async () => {
    const tar = makeTar([
      { name: 'd/' },
      { name: 'd/file', bytes: prose(700, 1) },
      { name: 'd/link', type: '2' },
      { name: 'empty' },
    ]);
    const map = await expectNames(tar, ['d/', 'd/file', 'd/link', 'empty']);
    expect(map.entries[1]).toMatchObject({ payloadBytes: 700, payloadStart: 1024, end: 2048 });
  });

  it('keeps names that are not UTF-8 apart, and traversal as it is', async () => {
    const names = [
      Buffer.from([0x61, 0xff]),
      Buffer.from([0x61, 0xfe]),
      Buffer.from('../../etc/x'),
    ];
    const map = await walk(makeTar(names.map((name) => ({ name }))));
    expect(map?.entries.map((entry) => entry.name)).toEqual(names);
  });

  it('reads GNU long names and long links', async () => {
    const long = `${'deep/'.repeat(60)}file`;
    const tar = Buffer.concat([
      tarEntry({ name: '././@LongLink', type: 'K', bytes: Buffer.from(`${long}-target\0`) }),
      tarEntry({ name: '././@LongLink', type: 'L', bytes: Buffer.from(`${long}\0`) }),
      tarEntry({ name: long.slice(0, 100), bytes: prose(10, 1) }),
      END_OF_TAR,
    ]);
    const map = await expectNames(tar, [long]);
    expect(map.entries[0]).toMatchObject({ start: 0, payloadBytes: 10 });
  });

  it('takes path and size from PAX records, past global ones', async () => {
    const content = prose(900, 1);
    const tar = Buffer.concat([
      tarEntry({ name: 'pax_global', type: 'g', bytes: paxRecords({ comment: 'c' }) }),
      tarEntry({ name: 'pax', type: 'x', bytes: paxRecords({ path: 'real/näme', size: '900' }) }),
      tarEntry({ name: 'short', size: 0, bytes: content }),
      END_OF_TAR,
    ]);
    const map = await walk(tar);
    expect(map?.entries.map((entry) => entry.name.toString('utf8'))).toEqual([
      'pax_global',
      'real/näme',
    ]);
    expect(map?.entries[1]?.payloadBytes).toBe(900);
  });

  it('joins ustar prefix and name', async () => {
    const entry = tarEntry({ name: 'name' });
    entry.write('some/prefix', 345);
    sealed(entry.subarray(0, 512));
    await expectNames(Buffer.concat([entry, END_OF_TAR]), ['some/prefix/name']);
  });

  it('reads base-256 sizes', async () => {
    const tar = makeTar([
      { name: 'big', bytes: prose(5000, 1), binarySize: true },
      { name: 'next' },
    ]);
    const map = await expectNames(tar, ['big', 'next']);
    expect(map.entries[0]?.payloadBytes).toBe(5000);
  });

  it('takes the stored bytes of old GNU sparse files, whose map may go on in further blocks', async () => {
    const entry = tarEntry({ name: 'sparse', type: 'S', size: 600 });
    entry[482] = 1;
    sealed(entry.subarray(0, 512));
    const extension = Buffer.alloc(512);
    const content = prose(600, 1);
    const tar = Buffer.concat([
      entry,
      extension,
      content,
      padding(600),
      tarEntry({ name: 'next' }),
      END_OF_TAR,
    ]);
    const map = await expectNames(tar, ['sparse', 'next']);
    expect(map.entries[0]).toMatchObject({ payloadStart: 1024, payloadBytes: 600 });
  });

  it('handles hard links with and without stored content', async () => {
    const named = tarEntry({ name: 'a', type: '1', size: 700 });
    const stored = tarEntry({ name: 'b', type: '1', bytes: prose(700, 1) });
    const map = await expectNames(Buffer.concat([named, stored, END_OF_TAR]), ['a', 'b']);
    expect(map.entries.map((entry) => entry.payloadBytes)).toEqual([0, 700]);
  });

  it('keeps bytes after the end marker, and does without one', async () => {
    const files = [{ name: 'a', bytes: prose(10, 1) }];
    const trailing = Buffer.concat([makeTar(files), prose(777, 2)]);
    expect((await expectNames(trailing, ['a'])).trailerStart).toBe(1024);
    const bare = makeTar(files).subarray(0, 1024);
    expect((await expectNames(bare, ['a'])).trailerStart).toBe(1024);
    await expectNames(bare.subarray(0, 522), ['a']);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['only an end marker', END_OF_TAR],
    ['text', prose(4096, 1)],
    [
      'a payload that is cut off',
      makeTar([{ name: 'a', bytes: prose(5000, 1) }]).subarray(0, 3000),
    ],
    ['a size beyond all', makeTar([{ name: 'a', size: 0o7777777777 }])],
    ['a long name without a file', tarEntry({ name: 'x', type: 'L', bytes: Buffer.from('n') })],
    ['a long name of 2 MiB', tarEntry({ name: 'x', type: 'L', bytes: Buffer.alloc(2 ** 21, 'n') })],
    ['broken PAX records', makeTar([{ name: 'x', type: 'x', bytes: Buffer.from('99 a=b\n') }])],
  ])('gives up on %s', async (_name, tar) => {
    expect(await walk(tar)).toBeUndefined();
  });

  it('never maps other bytes than the tar has, whatever is damaged', async () => {
    const tar = makeTar([
      { name: 'a', bytes: prose(600, 1) },
      { name: 'pax', type: 'x', bytes: paxRecords({ path: 'p', size: '600' }) },
      { name: 'b', bytes: prose(600, 2) },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 3 }), async (seed, changes) => {
        const damaged = touched(tar, changes, seed);
        const map = await walk(damaged);
        if (map !== undefined) expect(reassemble(damaged, map).equals(damaged)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
