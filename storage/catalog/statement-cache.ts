import type BetterSqlite3 from 'better-sqlite3';
import type { SqliteDatabase, SqliteStatement } from 'kysely';

/** Statements that are kept: the texts that one way of working repeats. */
const MAX_STATEMENTS = 128;
/** Longer texts are of batches, whose length differs each time. */
const MAX_TEXT = 4096;

/**
 * A database that prepares each statement once, those that were not asked for the longest going first:
 * a query would otherwise take twice as long as it has to. SQLite itself prepares a kept statement again
 * when the schema changed (sqlite.org/c3ref/prepare, "prepare_v2").
 */
export class StatementCache implements SqliteDatabase {
  readonly #database: BetterSqlite3.Database;
  /** In the order in which they were last asked for. */
  readonly #statements = new Map<string, BetterSqlite3.Statement>();

  constructor(database: BetterSqlite3.Database) {
    this.#database = database;
  }

  prepare(text: string): SqliteStatement {
    if (text.length > MAX_TEXT) return this.#database.prepare(text);
    const known = this.#statements.get(text);
    // One that is still being read from can't be started again.
    if (known?.busy === true) return this.#database.prepare(text);
    const statement = known ?? this.#database.prepare(text);
    this.#statements.delete(text);
    this.#statements.set(text, statement);
    const [oldest] = this.#statements.keys();
    if (this.#statements.size > MAX_STATEMENTS && oldest !== undefined) {
      this.#statements.delete(oldest);
    }
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}
