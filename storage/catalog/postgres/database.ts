import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Transaction,
  type TransactionBuilder,
} from 'kysely';
import { Pool } from 'pg';

import type { Migration } from '../migration.ts';
import { ClockCheck } from './clock-check.ts';
import { PostgresConnection, TAKE_TURN, type ConnectionDeps } from './connection.ts';
import { mapPostgresError } from './errors.ts';
import { connectionOptions, describeLocation, type PostgresLocation } from './location.ts';
import { migratePostgres } from './migrate.ts';
import { Removals } from './removals.ts';
import { retryRaced } from './retry.ts';

/** An open database, and what tells of removals in it; who opened it closes both. */
export interface PostgresDatabase<Schema> {
  readonly db: Kysely<Schema>;
  readonly removals: Removals;
}

/**
 * Opens a PostgreSQL database and brings its schema up to date.
 *
 * Every transaction is serializable, and is done again when it lost against another. The queries were
 * written for SQLite, where one writer runs at a time, and many look before they write (is the blob being
 * collected, has the repository the layer, is a pack still there, where is the ref): under `serializable`
 * each has the effect that it has alone, whatever others do beside it, so no query needs locks of its own
 * and none that comes later can forget them. One lock for all writers would do the same, and let the
 * machines wait for each other's disk at every commit. An acknowledged commit is on the disk
 * (`synchronous_commit` is the server's to set, on by default).
 */
export async function openPostgres<Schema>(
  location: PostgresLocation,
  migrations: readonly Migration[],
): Promise<PostgresDatabase<Schema>> {
  const where = describeLocation(location);
  const options = connectionOptions(location);
  const pool = new Pool({ ...options, max: location.poolSize });
  // An idle connection that breaks leaves the pool; who needs one makes another.
  pool.on('error', () => undefined);
  const removals = new Removals(options);
  const clockCheck = new ClockCheck(where);
  const db = new SerializableKysely<Schema>(pool, { where, onRemoved: removals.bump, clockCheck });
  try {
    await migratePostgres(pool, where, migrations);
  } catch (error) {
    await db.destroy();
    throw mapPostgresError(error, where);
  }
  return { db, removals };
}

/** Its transactions are done again when they lost against others: their work may run several times. */
class SerializableKysely<Schema> extends Kysely<Schema> {
  readonly #pool: Pool;

  constructor(pool: Pool, deps: ConnectionDeps) {
    super({ dialect: new PostgresDialect(pool, deps) });
    this.#pool = pool;
  }

  /** Also before the first query, when kysely has not made its driver yet. */
  override async destroy(): Promise<void> {
    await super.destroy();
    if (!this.#pool.ending) await this.#pool.end();
  }

  override transaction(): TransactionBuilder<Schema> {
    const builder = super.transaction();
    const once = builder.execute.bind(builder);
    builder.execute = <T>(work: (tx: Transaction<Schema>) => Promise<T>) =>
      retryRaced<T>((inTurn) =>
        once(async (tx) => {
          if (inTurn) await tx.executeQuery(TAKE_TURN);
          return work(tx);
        }),
      );
    return builder;
  }
}

class PostgresDialect implements Dialect {
  readonly #pool: Pool;
  readonly #deps: ConnectionDeps;

  constructor(pool: Pool, deps: ConnectionDeps) {
    this.#pool = pool;
    this.#deps = deps;
  }

  createDriver(): Driver {
    return new PostgresDriver(this.#pool, this.#deps);
  }

  createQueryCompiler(): PostgresQueryCompiler {
    return new PostgresQueryCompiler();
  }

  createAdapter(): PostgresAdapter {
    return new PostgresAdapter();
  }

  createIntrospector(db: Kysely<unknown>): PostgresIntrospector {
    return new PostgresIntrospector(db);
  }
}

class PostgresDriver implements Driver {
  readonly #pool: Pool;
  readonly #deps: ConnectionDeps;

  constructor(pool: Pool, deps: ConnectionDeps) {
    this.#pool = pool;
    this.#deps = deps;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    try {
      return new PostgresConnection(await this.#pool.connect(), this.#deps);
    } catch (error) {
      throw mapPostgresError(error, this.#deps.where);
    }
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await ours(connection).rollback();
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    ours(connection).release();
    return Promise.resolve();
  }

  /** The pool is that of who made it. */
  async destroy(): Promise<void> {}
}

/** Connections come from the driver itself. */
function ours(connection: DatabaseConnection): PostgresConnection {
  if (connection instanceof PostgresConnection) return connection;
  throw new TypeError('a connection of another driver');
}
