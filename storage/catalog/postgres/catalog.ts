import type { Clock } from '../../clock.ts';
import type { Catalog } from '../catalog.ts';
import { CATALOG_STEPS } from '../migrations.ts';
import type { Schema } from '../schema.ts';
import { SqlCatalog } from '../sql/sql-catalog.ts';
import { openPostgres, type PostgresDatabase } from './database.ts';
import { postgresMigrations } from './ddl.ts';
import type { PostgresLocation } from './location.ts';
import type { Removals } from './removals.ts';

/**
 * Opens the catalog in a PostgreSQL database (15 or newer), in the schema that its user's `search_path` begins
 * with, made and migrated as needed; any number of processes of any number of machines may have it open.
 * Throws `conflict` for a newer schema, `unavailable` when the database does not answer or refuses.
 */
export async function openPostgresCatalog(
  location: PostgresLocation,
  clock: Clock,
): Promise<Catalog> {
  return new PostgresCatalog(
    await openPostgres<Schema>(location, postgresMigrations(CATALOG_STEPS)),
    clock,
  );
}

class PostgresCatalog extends SqlCatalog {
  readonly #removals: Removals;

  constructor({ db, removals }: PostgresDatabase<Schema>, clock: Clock) {
    super({ db, clock, engine: 'postgres' });
    this.#removals = removals;
  }

  removalEpoch(): number | undefined {
    return this.#removals.epoch();
  }

  override async close(): Promise<void> {
    await this.#removals.close();
    await super.close();
  }
}
