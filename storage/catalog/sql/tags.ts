import type { Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName, Tag } from '../../names.ts';
import type { Page, Release } from '../repository-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches, type SqlContext } from './context.ts';

/** Tags, and the releases that moving them makes. */
export class SqlTags {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async resolveTag(repo: RepoName, tag: Tag): Promise<Digest | undefined> {
    const row = await this.#context.db
      .selectFrom('tags')
      .select('digest')
      .where('repo', '=', repo)
      .where('name', '=', tag)
      .executeTakeFirst();
    return row?.digest;
  }

  async tags(repo: RepoName, page: Page): Promise<readonly Tag[]> {
    let query = this.#context.db
      .selectFrom('tags')
      .select('name')
      .where('repo', '=', repo)
      .orderBy('name')
      .limit(page.limit);
    if (page.last !== undefined) query = query.where('name', '>', page.last as Tag);
    return (await query.execute()).map((row) => row.name);
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<boolean> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      const deleted = await tx
        .deleteFrom('tags')
        .where('repo', '=', repo)
        .where('name', '=', tag)
        .returning('digest')
        .execute();
      await touchManifests(
        tx,
        repo,
        deleted.map(({ digest }) => digest),
        clock(),
      );
      return deleted.length > 0;
    });
  }

  async heads(): Promise<readonly Release[]> {
    return this.#context.db
      .selectFrom('tags as t')
      .innerJoin('releases as r', 'r.id', 't.release_id')
      .select(['r.id', 't.repo', 't.name as tag', 't.digest', 'r.pushed_ms as pushedMs'])
      .orderBy('t.repo')
      .orderBy('t.name')
      .execute();
  }

  async releases(repo: RepoName, tag: Tag, limit: number): Promise<readonly Release[]> {
    return this.#context.db
      .selectFrom('releases as r')
      .innerJoin('manifests as m', (join) =>
        join.onRef('m.repo', '=', 'r.repo').onRef('m.digest', '=', 'r.digest'),
      )
      .select((eb) => [
        eb.fn.max('r.id').as('id'),
        'r.repo',
        'r.tag',
        'r.digest',
        eb.fn.max('r.pushed_ms').as('pushedMs'),
      ])
      .where('r.repo', '=', repo)
      .where('r.tag', '=', tag)
      .groupBy(['r.repo', 'r.tag', 'r.digest'])
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
  }
}

/** Notes that manifests were in use until now. */
export async function touchManifests(
  tx: Transaction<Schema>,
  repo: RepoName,
  digests: readonly Digest[],
  nowMs: number,
): Promise<void> {
  for (const batch of batches(digests)) {
    await tx
      .updateTable('manifests')
      .set({ touched_ms: nowMs })
      .where('repo', '=', repo)
      .where('digest', 'in', batch)
      .execute();
  }
}

/** Points a tag at a manifest of the repository; a release is appended if that is another digest. */
export async function moveTag(
  tx: Transaction<Schema>,
  release: { readonly repo: RepoName; readonly tag: Tag; readonly digest: Digest },
  nowMs: number,
): Promise<void> {
  const { repo, tag, digest } = release;
  const old = await tx
    .selectFrom('tags')
    .select('digest')
    .where('repo', '=', repo)
    .where('name', '=', tag)
    .executeTakeFirst();
  if (old?.digest === digest) return;
  if (old !== undefined) await touchManifests(tx, repo, [old.digest], nowMs);
  const { id } = await tx
    .insertInto('releases')
    .values({ repo, tag, digest, pushed_ms: nowMs })
    .returning('id')
    .executeTakeFirstOrThrow();
  await tx
    .insertInto('tags')
    .values({ repo, name: tag, digest, release_id: id })
    .onConflict((oc) => oc.columns(['repo', 'name']).doUpdateSet({ digest, release_id: id }))
    .execute();
}
