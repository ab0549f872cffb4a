import type { Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { AuditCatalog, AuditSource } from '../audit-catalog.ts';
import type { Schema } from '../schema.ts';
import { affectedBy } from './affected.ts';
import type { SqlContext } from './context.ts';
import { SqlOstreeAudit } from './ostree-audit.ts';
import { SqlRepair } from './repair.ts';
import { absentChildren } from './sparse.ts';

interface Expected {
  readonly digest: Digest;
  readonly size?: number;
}

type Source = (db: Kysely<Schema>, after: Digest, limit: number) => Promise<readonly Expected[]>;

const SOURCES: Readonly<Record<AuditSource, Source>> = {
  manifest: (db, after, limit) =>
    db
      .selectFrom('manifests')
      .select((eb) => ['digest', eb.fn.max('size').as('size')])
      .where('digest', '>', after)
      .groupBy('digest')
      .orderBy('digest')
      .limit(limit)
      .execute(),
  blob: (db, after, limit) =>
    db
      .selectFrom('repo_blobs')
      .select((eb) => ['digest', eb.fn.max('size').as('size')])
      .where('digest', '>', after)
      .groupBy('digest')
      .orderBy('digest')
      .limit(limit)
      .execute(),
  delta: (db, after, limit) =>
    db
      .selectFrom('deltas')
      .select((eb) => ['digest', eb.fn.max('size').as('size')])
      .where('state', '=', 'published')
      .where('digest', '>', after)
      .groupBy('digest')
      .$narrowType<{ digest: Digest; size: number }>()
      .union(
        db
          .selectFrom('ostree_delta_files as f')
          .innerJoin('ostree_deltas as d', 'd.id', 'f.delta')
          .select((eb) => ['f.digest', eb.fn.max('f.size').as('size')])
          .where('d.state', '=', 'published')
          .where('f.digest', '>', after)
          .groupBy('f.digest'),
      )
      .orderBy('digest')
      .limit(limit)
      .execute(),
  pack: (db, after, limit) =>
    db
      .selectFrom('packs')
      .select(['digest', 'size'])
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(limit)
      .execute(),
  index: (db, after, limit) =>
    db
      .selectFrom('layers')
      .select((eb) => ['index_digest as digest', eb.fn.max('index_size').as('size')])
      .where('index_digest', '>', after)
      .groupBy('index_digest')
      .orderBy('index_digest')
      .limit(limit)
      .$narrowType<{ digest: Digest; size: number }>()
      .execute(),
  form: (db, after, limit) =>
    db
      .selectFrom('zstd_chunked_layers')
      .select(['map_digest as digest', 'map_size as size'])
      .where('map_digest', '>', after)
      .union(
        db
          .selectFrom('zstd_chunked_layers')
          .select(['own_digest as digest', 'own_size as size'])
          .where('own_digest', '>', after),
      )
      .union(
        db
          .selectFrom('zstd_chunked_images')
          .select(['digest', 'size'])
          .where('digest', '>', after)
          .$narrowType<{ digest: Digest; size: number }>(),
      )
      .orderBy('digest')
      .limit(limit)
      .execute(),
};

/** What the store's check asks of the catalog. */
export class SqlAudit implements AuditCatalog {
  readonly ostree: SqlOstreeAudit;
  readonly repair: SqlRepair;
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
    this.ostree = new SqlOstreeAudit(context);
    this.repair = new SqlRepair(context);
  }

  async expected(
    source: AuditSource,
    after: Digest | undefined,
    limit: number,
  ): Promise<readonly Expected[]> {
    // No digest sorts before the empty text.
    return SOURCES[source](this.#context.db, after ?? ('' as Digest), limit);
  }

  async absent(after: Digest | undefined, limit: number): Promise<readonly Digest[]> {
    return absentChildren(this.#context.db, after ?? ('' as Digest), limit);
  }

  async affected(digest: Digest, limit: number): Promise<readonly string[]> {
    return affectedBy(this.#context.db, digest, limit);
  }
}
