import { sql, type Transaction } from 'kysely';

import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { OstreeBuild, OstreeBuildCatalog, OstreeBuildRef } from '../ostree-build-catalog.ts';
import type { Schema } from '../schema.ts';
import type { SqlContext } from './context.ts';

/** Builds and their refs, as rows. */
export class SqlOstreeBuilds implements OstreeBuildCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async create(
    id: string,
    repo: RepoName,
    { untouchedSinceMs, limit }: Parameters<OstreeBuildCatalog['create']>[2],
  ): Promise<boolean> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      await tx.deleteFrom('ostree_builds').where('touched_ms', '<=', untouchedSinceMs).execute();
      const { open } = await tx
        .selectFrom('ostree_builds')
        .select(sql<number>`count(*)`.as('open'))
        .executeTakeFirstOrThrow();
      if (open >= limit) return false;
      await tx.insertInto('ostree_builds').values({ id, repo, touched_ms: clock() }).execute();
      return true;
    });
  }

  async get(id: string): Promise<OstreeBuild | undefined> {
    const row = await this.#context.db
      .selectFrom('ostree_builds')
      .select(['repo', 'published'])
      .where('id', '=', id)
      .executeTakeFirst();
    return row && { id, repo: row.repo, isPublished: row.published === 1 };
  }

  async setRef(id: string, { ref, commit }: OstreeBuildRef, limit: number): Promise<boolean> {
    return this.#context.db.transaction().execute(async (tx) => {
      await this.#touch(tx, id, {});
      const { others } = await tx
        .selectFrom('ostree_build_refs')
        .select(sql<number>`count(*)`.as('others'))
        .where('build', '=', id)
        .where('ref', '<>', ref)
        .executeTakeFirstOrThrow();
      if (others >= limit) return false;
      await tx
        .insertInto('ostree_build_refs')
        .values({ build: id, ref, checksum: commit })
        .onConflict((oc) => oc.columns(['build', 'ref']).doUpdateSet({ checksum: commit }))
        .execute();
      return true;
    });
  }

  async refs(id: string): Promise<readonly OstreeBuildRef[]> {
    return this.#context.db
      .selectFrom('ostree_build_refs')
      .select(['ref', 'checksum as commit'])
      .where('build', '=', id)
      .orderBy('ref')
      .execute();
  }

  async markPublished(id: string): Promise<void> {
    await this.#context.db
      .transaction()
      .execute((tx) => this.#touch(tx, id, { published: 1 as const }));
  }

  async remove(id: string): Promise<void> {
    await this.#context.db.deleteFrom('ostree_builds').where('id', '=', id).execute();
  }

  async #touch(
    tx: Transaction<Schema>,
    id: string,
    change: { readonly published?: 1 },
  ): Promise<void> {
    const { numUpdatedRows } = await tx
      .updateTable('ostree_builds')
      .set({ ...change, touched_ms: this.#context.clock() })
      .where('id', '=', id)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return;
    throw new StorageError('missing', `the build ${id} is gone: begin another`, { detail: { id } });
  }
}
