import BetterSqlite3 from 'better-sqlite3';
import {
  CompiledQuery,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  sql,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely';

import { StorageError } from '../errors.ts';
import type { Migration } from './migration.ts';
import { mapSqliteError } from './sqlite-errors.ts';
import { StatementCache } from './statement-cache.ts';

/** An open database: for queries, and the connection itself for what has to be answered at once. */
export interface SqliteDatabase<Schema> {
  readonly db: Kysely<Schema>;
  readonly raw: BetterSqlite3.Database;
}

/** Passes statements on and gives failures their meaning. */
class MappingConnection implements DatabaseConnection {
  readonly #inner: DatabaseConnection;
  readonly #path: string;

  constructor(inner: DatabaseConnection, path: string) {
    this.#inner = inner;
    this.#path = path;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return await this.#inner.executeQuery<R>(query);
    } catch (error) {
      throw mapSqliteError(error, this.#path);
    }
  }

  async *streamQuery<R>(
    query: CompiledQuery,
    chunkSize?: number,
  ): AsyncIterableIterator<QueryResult<R>> {
    try {
      yield* this.#inner.streamQuery<R>(query, chunkSize);
    } catch (error) {
      throw mapSqliteError(error, this.#path);
    }
  }
}

/**
 * Write transactions take the lock at once: an upgrade from a read lock would fail at once as busy.
 * A full disk or an I/O error may have rolled the transaction back already (sqlite.org/lang_transaction,
 * "Response To Errors Within A Transaction"); rolling back again would hide the error.
 */
class ImmediateSqliteDriver extends SqliteDriver {
  readonly #database: BetterSqlite3.Database;
  readonly #path: string;

  constructor(database: BetterSqlite3.Database, path: string) {
    super({ database: new StatementCache(database) });
    this.#database = database;
    this.#path = path;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    return new MappingConnection(await super.acquireConnection(), this.#path);
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection);
  }
}

class ImmediateSqliteDialect extends SqliteDialect {
  readonly #database: BetterSqlite3.Database;
  readonly #path: string;

  constructor(database: BetterSqlite3.Database, path: string) {
    super({ database });
    this.#database = database;
    this.#path = path;
  }

  override createDriver(): Driver {
    return new ImmediateSqliteDriver(this.#database, this.#path);
  }
}

/**
 * Opens a SQLite database (WAL, synchronous FULL so that an acknowledged commit survives a power
 * cut) and brings its schema up to date. `:memory:` is allowed. Several processes may open one file.
 * Throws `conflict` when the schema is newer than this program, `unavailable` when it can't be opened.
 */
export async function openSqlite<Schema>(
  path: string,
  migrations: readonly Migration[],
): Promise<SqliteDatabase<Schema>> {
  const database = openFile(path);
  const db = new Kysely<Schema>({ dialect: new ImmediateSqliteDialect(database, path) });
  try {
    await migrate(db, path, migrations);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return { db, raw: database };
}

function openFile(path: string): BetterSqlite3.Database {
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new BetterSqlite3(path);
    database.pragma('busy_timeout = 10000');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    return database;
  } catch (cause) {
    database?.close();
    throw new StorageError('unavailable', `cannot open the catalog ${path}: ${String(cause)}`, {
      cause,
      detail: { path },
    });
  }
}

async function migrate<Schema>(
  db: Kysely<Schema>,
  path: string,
  migrations: readonly Migration[],
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ user_version: number }>`pragma user_version`.execute(tx);
    const current = rows[0]?.user_version ?? 0;
    const newest = migrations.at(-1)?.version ?? 0;
    if (current > newest) {
      throw new StorageError(
        'conflict',
        `the catalog ${path} has schema ${current}, this program knows up to ${newest}: use a newer rivulet`,
      );
    }
    for (const { version, statements } of migrations) {
      if (version <= current) continue;
      for (const statement of statements) await sql.raw(statement).execute(tx);
      await sql.raw(`pragma user_version = ${version}`).execute(tx);
    }
  });
}
