import { CompiledQuery, type DatabaseConnection, type QueryResult } from 'kysely';
import type { PoolClient, QueryResult as PgResult } from 'pg';

import { StorageError } from '../../errors.ts';
import type { ClockCheck } from './clock-check.ts';
import { mapPostgresError } from './errors.ts';
import { retryRaced } from './retry.ts';

/** Before the transaction's snapshot is taken, which the first query does and this does not. */
export const TAKE_TURN = CompiledQuery.raw('lock table catalog_turns in exclusive mode');

/** Statements that remove what `Catalog.removalEpoch` tells of; the triggers are on the same. */
const REMOVES =
  /^(?:delete from "(?:repo_blobs|ostree_repo_objects)"|(?:insert into|update) "condemned")/;
/** Statements that ask whether a blob is being removed, or say so: by the clock of this machine. */
const CONDEMNS = /^(?:select .* from "condemned"|insert into "condemned")/s;
/** Statements that change nothing. */
const READS = /^\s*(?:select|with)\b(?!.*\b(?:insert|update|delete)\b)/is;
/** For all others the driver's count of rows is that of rows read. */
const COUNTED = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

export interface ConnectionDeps {
  /** Names the database in errors. */
  readonly where: string;
  /** Called once a transaction with a removal has ended. */
  readonly onRemoved: () => void;
  readonly clockCheck: ClockCheck;
}

/**
 * A pooled connection. A statement that changes rows and stands alone is a serializable transaction as
 * well: PostgreSQL finds races only among those. One that only reads sees one committed state as it is.
 */
export class PostgresConnection implements DatabaseConnection {
  readonly #client: PoolClient;
  readonly #where: string;
  readonly #onRemoved: () => void;
  readonly #clockCheck: ClockCheck;
  #inTransaction = false;
  #removed = false;
  #isBroken = false;

  constructor(client: PoolClient, { where, onRemoved, clockCheck }: ConnectionDeps) {
    this.#client = client;
    this.#where = where;
    this.#onRemoved = onRemoved;
    this.#clockCheck = clockCheck;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#inTransaction || READS.test(query.sql)) return this.#query<R>(query);
    return retryRaced(async (inTurn) => {
      await this.begin();
      try {
        if (inTurn) await this.#query(TAKE_TURN);
        const result = await this.#query<R>(query);
        await this.commit();
        return result;
      } catch (error) {
        await this.rollback();
        throw error;
      }
    });
  }

  async begin(): Promise<void> {
    await this.#run('start transaction isolation level serializable');
    this.#inTransaction = true;
  }

  /** The transaction has ended afterwards, whatever comes of it. */
  async commit(): Promise<void> {
    const removed = this.#removed;
    this.#removed = false;
    try {
      const { command } = await this.#run('commit');
      this.#inTransaction = false;
      if (command === 'COMMIT') return;
      throw new StorageError(
        'unavailable',
        `${this.#where} rolled a transaction back whose failed statement was passed over`,
      );
    } finally {
      // Not before: what was looked up meanwhile may be of before. Also if nobody knows how it ended.
      if (removed) this.#onRemoved();
    }
  }

  /** Never throws: a connection that fails to is closed, and then the server does it. */
  async rollback(): Promise<void> {
    this.#removed = false;
    if (!this.#inTransaction) return;
    this.#inTransaction = false;
    try {
      await this.#run('rollback');
    } catch {
      this.#isBroken = true;
    }
  }

  /** Back to the pool, or closed. */
  release(): void {
    this.#client.release(this.#isBroken);
  }

  // eslint-disable-next-line require-yield, @typescript-eslint/require-await -- kysely asks for one
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new TypeError('the catalog reads pages, it does not stream');
  }

  async #query<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (CONDEMNS.test(query.sql)) await this.#clockCheck.check(() => this.#now());
    const { rows, command, rowCount } = await this.#run(query.sql, query.parameters);
    const count = rowCount ?? 0;
    if (count > 0 && REMOVES.test(query.sql)) this.#removed = true;
    return { rows: rows as R[], ...(COUNTED.has(command) && { numAffectedRows: BigInt(count) }) };
  }

  async #now(): Promise<number> {
    const { rows } = await this.#run(
      'select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms',
    );
    return Number((rows as readonly { readonly now_ms: unknown }[])[0]?.now_ms);
  }

  async #run(text: string, parameters: readonly unknown[] = []): Promise<PgResult> {
    try {
      return await this.#client.query(text, [...parameters]);
    } catch (error) {
      throw mapPostgresError(error, this.#where);
    }
  }
}
