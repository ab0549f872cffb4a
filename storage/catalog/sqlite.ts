import { sql, type Kysely } from 'kysely';

import type { Clock } from '../clock.ts';
import type { Catalog } from './catalog.ts';
import { openSqlite, type SqliteDatabase } from './database.ts';
import { SQLITE_MIGRATIONS } from './migrations.ts';
import { RemovalEpoch } from './removal-epoch.ts';
import type { Schema } from './schema.ts';
import { SqlAudit } from './sql/audit.ts';
import { SqlDeltas } from './sql/deltas.ts';
import { SqlFleet } from './sql/fleet.ts';
import { SqlGc } from './sql/gc.ts';
import { SqlLayers } from './sql/layers.ts';
import { SqlOstreeDeltas } from './sql/ostree-deltas.ts';
import { SqlOstree } from './sql/ostree.ts';
import { SqlRepositories } from './sql/repositories.ts';
import { SqlSigningKeys } from './sql/signing-keys.ts';
import { SqlTokens } from './sql/tokens.ts';
import { SqlUploads } from './sql/uploads.ts';

/**
 * Opens the embedded catalog: one SQLite file (or `:memory:`), made and migrated as needed, that
 * several processes of one machine may have open. Throws `conflict` for a newer schema, `unavailable`
 * when the file can't be opened.
 */
export async function openSqliteCatalog(path: string, clock: Clock): Promise<Catalog> {
  return new SqliteCatalog(await openSqlite<Schema>(path, SQLITE_MIGRATIONS), clock);
}

class SqliteCatalog implements Catalog {
  readonly repositories: SqlRepositories;
  readonly uploads: SqlUploads;
  readonly layers: SqlLayers;
  readonly deltas: SqlDeltas;
  readonly ostree: SqlOstree;
  readonly ostreeDeltas: SqlOstreeDeltas;
  readonly fleet: SqlFleet;
  readonly tokens: SqlTokens;
  readonly signingKeys: SqlSigningKeys;
  readonly gc: SqlGc;
  readonly audit: SqlAudit;
  readonly #db: Kysely<Schema>;
  readonly #removals: RemovalEpoch;

  constructor({ db, raw }: SqliteDatabase<Schema>, clock: Clock) {
    const context = { db, clock };
    this.#db = db;
    this.repositories = new SqlRepositories(context);
    this.uploads = new SqlUploads(context);
    this.layers = new SqlLayers(context);
    this.deltas = new SqlDeltas(context);
    this.ostree = new SqlOstree(context);
    this.ostreeDeltas = new SqlOstreeDeltas(context);
    this.fleet = new SqlFleet(context);
    this.tokens = new SqlTokens(context);
    this.signingKeys = new SqlSigningKeys(context);
    this.gc = new SqlGc(context);
    this.audit = new SqlAudit(context);
    this.#removals = new RemovalEpoch(raw);
  }

  removalEpoch(): number | undefined {
    return this.#removals.read();
  }

  async ping(): Promise<void> {
    await sql`select 1 from repositories limit 1`.execute(this.#db);
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}
