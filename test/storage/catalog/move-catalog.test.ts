import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { moveCatalog } from '../../../storage/catalog/move/move-catalog.ts';
import { RowSum } from '../../../storage/catalog/move/row-sum.ts';
import type { PostgresLocation } from '../../../storage/catalog/postgres/location.ts';
import { openPostgresCatalog } from '../../../storage/catalog/postgres/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { digestOf } from '../../../storage/digest.ts';
import { REPO, STABLE } from '../../suites/catalog/names.ts';
import { pair } from '../../suites/catalog/pairs.ts';
import { needPostgres, startPostgres, type PostgresServer } from '../../support/postgres.ts';

const bin = needPostgres();
const MANIFEST = digestOf(Buffer.from('manifest'));

describe.skipIf(bin === undefined)('the move of a catalog to PostgreSQL', () => {
  let server: PostgresServer;
  let dir: string;
  let from: string;
  beforeAll(async () => {
    server = await startPostgres(bin ?? '');
    dir = await mkdtemp(join(tmpdir(), 'rivulet-move-catalog-'));
    from = join(dir, 'catalog.sqlite');
    const catalog = await openSqliteCatalog(from, Date.now);
    const config = digestOf(Buffer.from('config'));
    await catalog.repositories.linkBlob(REPO, config, 6);
    const row = { digest: MANIFEST, mediaType: 'application/x', size: 8 };
    await catalog.repositories.putManifest(REPO, row, [{ digest: config, kind: 'config' }], STABLE);
    await catalog.deltas.ensure([pair('a', 'b'), pair('b', 'c')], 0);
    await catalog.close();
  });
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const emptyDatabase = async (): Promise<PostgresLocation> => ({
    url: await server.makeDatabase(),
    poolSize: 2,
  });

  it('brings every row, and numbers go on behind the last', async () => {
    const to = await emptyDatabase();
    const { tables, rows } = await moveCatalog({ from, to });
    expect(tables.find(({ name }) => name === 'deltas')?.rows).toBe(2);
    expect(rows).toBe(tables.reduce((sum, table) => sum + table.rows, 0));

    const catalog = await openPostgresCatalog(to, Date.now);
    try {
      expect(await catalog.repositories.resolveTag(REPO, STABLE)).toBe(MANIFEST);
      await catalog.deltas.ensure([pair('c', 'd')], 0);
    } finally {
      await catalog.close();
    }
    const ids = await server.run(to.url, 'select id from deltas order by id');
    expect(ids.map(({ id }) => Number(id))).toEqual([1, 2, 3]);
  });

  it('refuses a target that has rows', async () => {
    const to = await emptyDatabase();
    await moveCatalog({ from, to });
    await expect(moveCatalog({ from, to })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('give an empty database') as string,
    });
  });

  it('leaves nothing in the target when a table does not arrive', async () => {
    const to = await emptyDatabase();
    await (await openPostgresCatalog(to, Date.now)).close();
    // What a fault of the database would do, done by a rule of its own.
    await server.run(
      to.url,
      `create function spoil() returns trigger language plpgsql as $$ begin new.size := 7; return new; end $$`,
    );
    await server.run(
      to.url,
      'create trigger spoil before insert on repo_blobs for each row execute function spoil()',
    );
    await expect(moveCatalog({ from, to })).rejects.toMatchObject({ code: 'corrupt' });
    for (const table of ['repositories', 'repo_blobs', 'deltas']) {
      expect(await server.run(to.url, `select * from ${table}`)).toEqual([]);
    }
    await server.run(to.url, 'drop trigger spoil on repo_blobs');
    await moveCatalog({ from, to });
  });
});

describe('a sum of rows', () => {
  const sumOf = (rows: readonly Readonly<Record<string, unknown>>[]): RowSum => {
    const sum = new RowSum(['a', 'b']);
    for (const row of rows) sum.add(row);
    return sum;
  };

  it('is that of the rows, in any order', () => {
    const rows = [
      { a: 1, b: 'x' },
      { a: null, b: Buffer.from([1]) },
    ];
    expect(sumOf(rows).equals(sumOf(rows.toReversed()))).toBe(true);
    expect(sumOf(rows).equals(sumOf([...rows, { a: 1, b: 'x' }]))).toBe(false);
    expect(sumOf(rows).equals(sumOf([{ a: '1', b: 'x' }, rows[1] ?? {}]))).toBe(false);
    expect(
      sumOf(rows).equals(
        sumOf([
          { a: 1, b: 'x' },
          { a: null, b: Buffer.from([2]) },
        ]),
      ),
    ).toBe(false);
  });
});
