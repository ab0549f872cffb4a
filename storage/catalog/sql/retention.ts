import { sql, type Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName, Tag } from '../../names.ts';
import type {
  ManifestBlob,
  NamedBlob,
  RetainedManifest,
  RetainedTag,
  RetentionCatalog,
  RetentionFacts,
} from '../retention-catalog.ts';
import type { Schema } from '../schema.ts';
import { rememberUnlinked } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { dropManifests, dropTag } from './retention-drop.ts';
import { fleetOf, offeredOf } from './retention-uses.ts';

/** A push of an index that found its images there is done within this. */
const REMEMBERED_MS = 300_000;

/** What retention asks and deletes. */
export class SqlRetention implements RetentionCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async facts(repo: RepoName, liveSinceMs: number): Promise<RetentionFacts> {
    const { db } = this.#context;
    return {
      tags: await tagsOf(db, repo),
      manifests: await manifestsOf(db, repo),
      children: await db
        .selectFrom('manifest_children as c')
        .innerJoin('manifests as m', (join) =>
          join.onRef('m.repo', '=', 'c.repo').onRef('m.digest', '=', 'c.digest'),
        )
        .select(['c.parent', 'c.digest as child'])
        .where('c.repo', '=', repo)
        .execute(),
      releases: await releasesOf(db, repo),
      ...(await fleetOf(db, repo, liveSinceMs)),
      offered: await offeredOf(db, repo),
    };
  }

  async blobsOf(
    repo: RepoName,
    manifests: readonly Digest[],
  ): ReturnType<RetentionCatalog['blobsOf']> {
    const { db } = this.#context;
    const own: ManifestBlob[] = [];
    const blobs: NamedBlob[] = [];
    for (const batch of batches(manifests)) {
      own.push(
        ...(await db
          .selectFrom('manifests as m')
          .select((eb) => [
            'm.digest',
            eb.fn.max('m.size').as('size'),
            eb.fn.countAll<number>().as('names'),
          ])
          .where('m.digest', 'in', batch)
          .groupBy('m.digest')
          .execute()),
      );
      blobs.push(...(await blobsNamedBy(db, repo, batch)));
    }
    return { manifests: own, blobs };
  }

  async drop(
    repo: RepoName,
    tag: RetainedTag | undefined,
    steps: readonly (readonly RetainedManifest[])[],
    liveSinceMs: number,
  ): Promise<readonly Digest[] | undefined> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      if (tag !== undefined && !(await dropTag(tx, repo, tag, liveSinceMs))) return undefined;
      const dropped: Digest[] = [];
      for (const batch of steps.flatMap((step) => [...batches(step)])) {
        dropped.push(...(await dropManifests(tx, repo, batch, liveSinceMs)));
      }
      await rememberUnlinked(tx, dropped, clock() + REMEMBERED_MS);
      return dropped;
    });
  }
}

async function tagsOf(db: Kysely<Schema>, repo: RepoName): Promise<readonly RetainedTag[]> {
  return db
    .selectFrom('tags as t')
    .innerJoin('releases as r', 'r.id', 't.release_id')
    .select(['t.name as tag', 't.digest', 'r.pushed_ms as pushedMs', 't.release_id as releaseId'])
    .where('t.repo', '=', repo)
    .orderBy('t.name')
    .execute();
}

async function manifestsOf(
  db: Kysely<Schema>,
  repo: RepoName,
): Promise<readonly RetainedManifest[]> {
  const rows = await db
    .selectFrom('manifests')
    .select(['digest', 'touched_ms', 'subject'])
    .where('repo', '=', repo)
    .orderBy('id')
    .execute();
  return rows.map(({ digest, touched_ms, subject }) => ({
    digest,
    touchedMs: touched_ms,
    ...(subject !== null && { subject }),
  }));
}

async function releasesOf(
  db: Kysely<Schema>,
  repo: RepoName,
): Promise<readonly { readonly tag: Tag; readonly digest: Digest }[]> {
  return db
    .selectFrom('releases as r')
    .innerJoin('tags as t', (join) =>
      join.onRef('t.repo', '=', 'r.repo').onRef('t.name', '=', 'r.tag'),
    )
    .innerJoin('manifests as m', (join) =>
      join.onRef('m.repo', '=', 'r.repo').onRef('m.digest', '=', 'r.digest'),
    )
    .select(['r.tag', 'r.digest'])
    .where('r.repo', '=', repo)
    .whereRef('r.digest', '<>', 't.digest')
    .groupBy(['r.tag', 'r.digest'])
    .orderBy('r.tag')
    .orderBy((eb) => eb.fn.max('r.id'), 'desc')
    .execute();
}

async function blobsNamedBy(
  db: Kysely<Schema>,
  repo: RepoName,
  parents: readonly Digest[],
): Promise<readonly NamedBlob[]> {
  return db
    .selectFrom('manifest_children as c')
    .innerJoin('repo_blobs as b', (join) =>
      join.onRef('b.repo', '=', 'c.repo').onRef('b.digest', '=', 'c.digest'),
    )
    .select(['c.parent', 'c.digest', 'b.size'])
    .select(
      sql<number>`(select count(*) from manifest_children o where o.digest = c.digest)`.as('names'),
    )
    .distinct()
    .where('c.repo', '=', repo)
    .where('c.parent', 'in', parents)
    .execute();
}
