import { sql } from 'kysely';

import type { Catalog } from '../catalog.ts';
import { SqlAudit } from './audit.ts';
import type { SqlContext } from './context.ts';
import { SqlDeltas } from './deltas.ts';
import { SqlFleet } from './fleet.ts';
import { SqlGc } from './gc.ts';
import { SqlLayers } from './layers.ts';
import { SqlOstreeBuilds } from './ostree-builds.ts';
import { SqlOstreeDeltas } from './ostree-deltas.ts';
import { SqlOstree } from './ostree.ts';
import { SqlRepositories } from './repositories.ts';
import { SqlRetention } from './retention.ts';
import { SqlSigningKeys } from './signing-keys.ts';
import { SqlTokens } from './tokens.ts';
import { SqlUploads } from './uploads.ts';
import { SqlZstdChunked } from './zstd-chunked.ts';

/** The catalog by queries that every engine takes; what only the engine itself can tell is left open. */
export abstract class SqlCatalog implements Catalog {
  readonly repositories: SqlRepositories;
  readonly uploads: SqlUploads;
  readonly layers: SqlLayers;
  readonly deltas: SqlDeltas;
  readonly ostree: SqlOstree;
  readonly ostreeDeltas: SqlOstreeDeltas;
  readonly ostreeBuilds: SqlOstreeBuilds;
  readonly fleet: SqlFleet;
  readonly tokens: SqlTokens;
  readonly signingKeys: SqlSigningKeys;
  readonly zstdChunked: SqlZstdChunked;
  readonly gc: SqlGc;
  readonly retention: SqlRetention;
  readonly audit: SqlAudit;
  readonly #context: SqlContext;

  protected constructor(context: SqlContext) {
    this.#context = context;
    this.repositories = new SqlRepositories(context);
    this.uploads = new SqlUploads(context);
    this.layers = new SqlLayers(context);
    this.deltas = new SqlDeltas(context);
    this.ostree = new SqlOstree(context);
    this.ostreeDeltas = new SqlOstreeDeltas(context);
    this.ostreeBuilds = new SqlOstreeBuilds(context);
    this.fleet = new SqlFleet(context);
    this.tokens = new SqlTokens(context);
    this.signingKeys = new SqlSigningKeys(context);
    this.zstdChunked = new SqlZstdChunked(context);
    this.gc = new SqlGc(context);
    this.retention = new SqlRetention(context);
    this.audit = new SqlAudit(context);
  }

  abstract removalEpoch(): number | undefined;

  async ping(): Promise<void> {
    await sql`select 1 from repositories limit 1`.execute(this.#context.db);
  }

  async close(): Promise<void> {
    await this.#context.db.destroy();
  }
}
