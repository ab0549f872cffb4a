import { CompiledQuery, type Kysely } from 'kysely';

import { StorageError } from '../../errors.ts';
import { openSqlite } from '../database.ts';
import { CATALOG_STEPS, SQLITE_MIGRATIONS } from '../migrations.ts';
import { openPostgres } from '../postgres/database.ts';
import { postgresMigrations } from '../postgres/ddl.ts';
import { describeLocation, type PostgresLocation } from '../postgres/location.ts';
import { RowSum, type Row } from './row-sum.ts';
import { SqliteSource, type SourceTable } from './sqlite-source.ts';

export interface MoveCatalogOptions {
  /** The SQLite file. */
  readonly from: string;
  readonly to: PostgresLocation;
  /** Rows copied so far, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface MoveCatalogReport {
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  readonly rows: number;
}

/** Values bound in one statement; PostgreSQL takes 65,535. */
const MAX_VALUES = 30_000;
const FETCHED_ROWS = 2000;
/** Of SQLite's alone: PostgreSQL tells of removals in another way. */
const NOT_MOVED = new Set(['removals']);

type Target = Pick<Kysely<unknown>, 'executeQuery'>;

/**
 * Copies a SQLite catalog into an empty PostgreSQL one: every table in one transaction, at the end of
 * which each is read back and compared row by row, so that the target has all or nothing. The source
 * takes no writes meanwhile and stays as it is. Throws `conflict` for a target with rows or a schema that
 * differs, `corrupt` when a table did not arrive as it was, `unavailable` when either does not answer or
 * the source is in use.
 */
export async function moveCatalog(options: MoveCatalogOptions): Promise<MoveCatalogReport> {
  const { from, to } = options;
  const { db: sourceDb, raw } = await openSqlite<unknown>(from, SQLITE_MIGRATIONS);
  const source = new SqliteSource(raw);
  try {
    const target = await openPostgres<unknown>(to, postgresMigrations(CATALOG_STEPS));
    try {
      source.begin(from);
      const tables = source.tables().filter(({ name }) => !NOT_MOVED.has(name));
      await target.db.transaction().execute((tx) => copyTables(source, tables, tx, options));
      const counts = tables.map(({ name, rows }) => ({ name, rows }));
      return { tables: counts, rows: sum(tables) };
    } finally {
      source.end();
      await target.removals.close();
      await target.db.destroy();
    }
  } finally {
    await sourceDb.destroy();
  }
}

async function copyTables(
  source: SqliteSource,
  tables: readonly SourceTable[],
  target: Target,
  { to, onProgress }: MoveCatalogOptions,
): Promise<void> {
  const where = describeLocation(to);
  await refuseOther(tables, target, where);
  const total = sum(tables);
  let done = 0;
  for (const table of tables) {
    const sent = new RowSum(table.columns);
    for (const batch of batches(source.rows(table), table)) {
      await insert(target, table, batch);
      batch.forEach((row) => {
        sent.add(row);
      });
      done += batch.length;
      onProgress?.(done, total);
    }
    if (!sent.equals(await readBack(target, table))) {
      throw new StorageError(
        'corrupt',
        `the rows of ${table.name} are others in ${where}: nothing was copied`,
      );
    }
    await continueCounter(target, table);
  }
}

/** Throws unless the target has these tables, with these columns, and no rows. */
async function refuseOther(
  tables: readonly SourceTable[],
  target: Target,
  where: string,
): Promise<void> {
  for (const { name, columns } of tables) {
    const found = await run(
      target,
      `select column_name from information_schema.columns where table_schema = current_schema() and table_name = $1`,
      [name],
    );
    const names = found.map((row) => String(row['column_name']));
    if (names.toSorted().join() !== columns.toSorted().join()) {
      throw new StorageError(
        'conflict',
        `table ${name} has other columns in ${where}: use one version of rivulet`,
      );
    }
    if ((await run(target, `select 1 from "${name}" limit 1`)).length > 0) {
      throw new StorageError(
        'conflict',
        `${where} has rows in ${name} already: give an empty database`,
      );
    }
  }
}

function* batches(rows: Iterable<Row>, { columns }: SourceTable): Generator<readonly Row[]> {
  const size = Math.floor(MAX_VALUES / columns.length);
  let batch: Row[] = [];
  for (const row of rows) {
    batch.push(row);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function insert(
  target: Target,
  { name, columns }: SourceTable,
  rows: readonly Row[],
): Promise<void> {
  const list = columns.map((column) => `"${column}"`).join(', ');
  const places = rows.map((_, row) => {
    const numbers = columns.map((__, column) => `$${row * columns.length + column + 1}`);
    return `(${numbers.join(', ')})`;
  });
  const values = rows.flatMap((row) => columns.map((column) => row[column]));
  await run(target, `insert into "${name}" (${list}) values ${places.join(', ')}`, values);
}

async function readBack(target: Target, { name, columns }: SourceTable): Promise<RowSum> {
  const sum = new RowSum(columns);
  await run(target, `declare moved no scroll cursor for select * from "${name}"`);
  for (;;) {
    const rows = await run(target, `fetch ${FETCHED_ROWS} from moved`);
    rows.forEach((row) => {
      sum.add(row);
    });
    if (rows.length < FETCHED_ROWS) break;
  }
  await run(target, 'close moved');
  return sum;
}

/** Numbers of rows that are gone are not given again. */
async function continueCounter(target: Target, { name, counter }: SourceTable): Promise<void> {
  const identity = await run(
    target,
    `select column_name from information_schema.columns
      where table_schema = current_schema() and table_name = $1 and is_identity = 'YES'`,
    [name],
  );
  for (const { column_name: column } of identity) {
    const id = String(column);
    const newest = await run(target, `select coalesce(max("${id}"), 0) as newest from "${name}"`);
    const last = Math.max(Number(newest[0]?.['newest'] ?? 0), counter ?? 0);
    if (last === 0) continue;
    await run(target, `select setval(pg_get_serial_sequence($1, $2), $3)`, [`"${name}"`, id, last]);
  }
}

async function run(
  target: Target,
  statement: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const { rows } = await target.executeQuery<Row>(CompiledQuery.raw(statement, [...values]));
  return rows;
}

function sum(tables: readonly SourceTable[]): number {
  return tables.reduce((total, { rows }) => total + rows, 0);
}
