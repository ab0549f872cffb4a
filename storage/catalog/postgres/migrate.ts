import type { Pool, PoolClient } from 'pg';

import { StorageError } from '../../errors.ts';
import type { Migration } from '../migration.ts';

/** Of the advisory lock under which one process at a time brings the schema up to date: `rivulet` in ASCII. */
const MIGRATION_LOCK = '32203739438212468';

/**
 * Brings the schema up to date in one transaction. Of several processes that start at once one does it and
 * the others wait. One that finds it up to date changes nothing, and needs no right to. Throws `conflict`
 * when the schema is newer than the program.
 */
export async function migratePostgres(
  pool: Pool,
  where: string,
  migrations: readonly Migration[],
): Promise<void> {
  const newest = migrations.at(-1)?.version ?? 0;
  const client = await pool.connect();
  let done = false;
  try {
    if ((await versionOf(client, where, newest)) < newest) {
      await client.query('begin');
      await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await apply(client, await versionOf(client, where, newest), migrations);
      await client.query('commit');
    }
    done = true;
  } finally {
    // Closing the connection rolls back.
    client.release(!done);
  }
}

async function apply(
  client: PoolClient,
  current: number,
  migrations: readonly Migration[],
): Promise<void> {
  if (current === 0) {
    await client.query('create table catalog_turns ()');
    await client.query('create table catalog_version (version bigint not null)');
    await client.query('insert into catalog_version values (0)');
  }
  for (const { version, statements } of migrations) {
    if (version <= current) continue;
    for (const statement of statements) await client.query(statement);
    await client.query('update catalog_version set version = $1', [version]);
  }
}

/** 0 for a database without a catalog. */
async function versionOf(client: PoolClient, where: string, newest: number): Promise<number> {
  const known = await client.query<{ known: boolean }>(
    `select to_regclass('catalog_version') is not null as known`,
  );
  if (known.rows[0]?.known !== true) return 0;
  const { rows } = await client.query<{ version: number }>('select version from catalog_version');
  const version = rows[0]?.version ?? 0;
  if (version <= newest) return version;
  throw new StorageError(
    'conflict',
    `${where} has schema ${version}, this program knows up to ${newest}: use a newer rivulet`,
  );
}
