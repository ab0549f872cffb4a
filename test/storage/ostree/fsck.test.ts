import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, test } from 'vitest';

import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import type { FsckFault } from '../../../storage/fsck/fault.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { blobKey } from '../../../storage/keys.ts';
import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { REPO } from '../../suites/catalog/names.ts';
import { noise } from '../chunk/material.ts';
import { DRIVERS } from '../store-world.ts';
import { file, incoming, smallCommit } from './objects.ts';
import { OstreeWorld, STABLE } from './ostree-world.ts';

const REF = `ref ${REPO}:${STABLE}`;

function check({ store }: OstreeWorld, quick = false) {
  return checkStore({ objects: store.objects, catalog: store.catalog, quick });
}

async function pushed(driver: (typeof DRIVERS)[number]) {
  const world = await OstreeWorld.open(driver);
  const big = file(noise(900_000, 'big'));
  const objects = smallCommit('one', [file(''), file('hi\n'), big]);
  await world.push(objects);
  return { world, objects, big };
}

describe.each(DRIVERS)('fsck of OSTree objects on %s', (driver) => {
  test('a whole store has no fault', async () => {
    const { world, objects } = await pushed(driver);
    for (const quick of [false, true]) {
      const report = await check(world, quick);
      expect(report).toMatchObject({ ostreeObjects: objects.length, ostreeRefs: 1, faults: [] });
    }
  });

  test('without its pack: found, with the ref that needs it', async () => {
    const { world, objects } = await pushed(driver);
    const [pack] = await world.packsOf(objects);
    if (pack === undefined) throw new Error('no pack');
    await world.store.blobs.delete(pack);
    const lost: FsckFault = { kind: 'missing', subject: pack, affects: REF };
    for (const quick of [false, true]) expect((await check(world, quick)).faults).toEqual([lost]);
  });

  test('a damaged pack: found, with the objects that have the chunk', async () => {
    const { world, objects, big } = await pushed(driver);
    const [pack] = await world.packsOf(objects);
    const chunk = (await world.store.catalog.ostree.chunksOf(big.name))[3];
    if (pack === undefined || chunk === undefined) throw new Error('no pack');
    const { blobs } = world.store;
    const parts: Buffer[] = [];
    for await (const part of await blobs.open(pack)) parts.push(part as Buffer);
    const bytes = Buffer.concat(parts);
    bytes.writeUInt8(bytes.readUInt8(chunk.offset + 100) ^ 1, chunk.offset + 100);
    await blobs.delete(pack);
    await blobs.objects.put(blobKey(pack), [bytes]);
    expect((await check(world, true)).faults).toEqual([]);
    expect((await check(world)).faults).toEqual([
      { kind: 'corrupt', subject: pack, affects: REF },
      { kind: 'corrupt', subject: formatObjectName(big.name), affects: REF },
    ]);
  });
});

describe('fsck of damaged rows', () => {
  /** A pushed commit whose rows a hand changes. */
  async function damaged(statement: string, ...values: readonly unknown[]) {
    const world = await OstreeWorld.open();
    const path = join(world.scratch, 'catalog.sqlite');
    const { store } = world;
    const catalog = await openSqliteCatalog(path, store.clock);
    const big = file(noise(900_000, 'big'));
    const objects = smallCommit('one', [file('hi\n'), big]);
    await writeObjects(incoming(objects), { ...world.options(), catalog });
    await catalog.ostree.moveRef(REPO, STABLE, objects[0].name.checksum, undefined);
    const database = new BetterSqlite3(path);
    expect(database.prepare(statement).run(values).changes).toBeGreaterThan(0);
    database.close();
    const checked = async (quick: boolean) =>
      (await checkStore({ objects: store.objects, catalog, quick })).faults;
    try {
      return { objects, big, quick: await checked(true), deep: await checked(false) };
    } finally {
      await catalog.close();
      await rm(path);
    }
  }
  const OF_BIG = `object = (select id from ostree_objects where kind = 'file' and size = 900000)`;

  test.each([
    ['a chunk is gone', `delete from ostree_object_chunks where position > 400000 and ${OF_BIG}`],
    ['chunks are gone', `delete from ostree_object_chunks where ${OF_BIG}`],
    ['a size is wrong', `update ostree_objects set size = size - 1 where size = 900000`],
    [
      'a gap is as long as what is too much',
      `update ostree_object_chunks set position = position + 1
        where position = (select max(position) from ostree_object_chunks) and ${OF_BIG}`,
    ],
  ])('%s', async (_what, statement) => {
    const { big, quick } = await damaged(statement);
    expect(quick).toEqual([{ kind: 'corrupt', subject: formatObjectName(big.name), affects: REF }]);
  });

  test('a chunk is elsewhere', async () => {
    const { big, quick, deep } = await damaged(
      `update ostree_object_chunks set first_byte = 17 where position = 0 and ${OF_BIG}`,
    );
    expect(quick).toEqual([]);
    expect(deep).toEqual([{ kind: 'corrupt', subject: formatObjectName(big.name), affects: REF }]);
  });

  test('a chunk is beyond the pack, and its neighbours are not to blame', async () => {
    const { objects, deep } = await damaged(
      `update ostree_object_chunks set length = 100000
        where (pack, first_byte) = (select pack, max(first_byte) from ostree_object_chunks)`,
    );
    expect(deep).toHaveLength(1);
    expect(objects.map(({ name }) => formatObjectName(name))).toContain(deep[0]?.subject);
  });

  test('a link is gone', async () => {
    const { big, quick } = await damaged(`delete from ostree_repo_objects where ${OF_BIG}`);
    expect(quick).toEqual([{ kind: 'missing', subject: formatObjectName(big.name), affects: REF }]);
  });

  test('a ref is at a commit that never was', async () => {
    const never = 'f'.repeat(64);
    const { quick } = await damaged('update ostree_refs set checksum = ?', never);
    expect(quick).toEqual([{ kind: 'missing', subject: `commit ${never}`, affects: REF }]);
  });
});
