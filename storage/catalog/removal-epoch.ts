import type BetterSqlite3 from 'better-sqlite3';

import { mapSqliteError } from './sqlite-errors.ts';

/** Reads the epoch of `Catalog.removalEpoch` in one prepared statement (a few microseconds). */
export class RemovalEpoch {
  readonly #database: BetterSqlite3.Database;
  readonly #select: BetterSqlite3.Statement<[], number>;

  constructor(database: BetterSqlite3.Database) {
    this.#database = database;
    this.#select = database.prepare<[], number>('select epoch from removals where id = 1').pluck();
  }

  /**
   * Undefined within a transaction of this connection: what it has not committed would be seen, and
   * a number that is rolled back would come again with another meaning.
   */
  read(): number | undefined {
    if (this.#database.inTransaction) return undefined;
    try {
      return this.#select.get();
    } catch (error) {
      throw mapSqliteError(error, this.#database.name);
    }
  }
}
