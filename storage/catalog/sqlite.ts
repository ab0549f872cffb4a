import type { Clock } from '../clock.ts';
import type { Catalog } from './catalog.ts';
import { openSqlite, type SqliteDatabase } from './database.ts';
import { SQLITE_MIGRATIONS } from './migrations.ts';
import { RemovalEpoch } from './removal-epoch.ts';
import type { Schema } from './schema.ts';
import { SqlCatalog } from './sql/sql-catalog.ts';

/**
 * Opens the embedded catalog: one SQLite file (or `:memory:`), made and migrated as needed, that
 * several processes of one machine may have open. Throws `conflict` for a newer schema, `unavailable`
 * when the file can't be opened.
 */
export async function openSqliteCatalog(path: string, clock: Clock): Promise<Catalog> {
  return new SqliteCatalog(await openSqlite<Schema>(path, SQLITE_MIGRATIONS), clock);
}

class SqliteCatalog extends SqlCatalog {
  readonly #removals: RemovalEpoch;

  constructor({ db, raw }: SqliteDatabase<Schema>, clock: Clock) {
    super({ db, clock, engine: 'sqlite' });
    this.#removals = new RemovalEpoch(raw);
  }

  removalEpoch(): number | undefined {
    return this.#removals.read();
  }
}
