import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { OstreeObjectName } from '../../ostree/object-name.ts';
import type { Schema } from '../schema.ts';

/** What stops working without an object, as `OstreeAudit.affected`. */
export async function affectedByObject(
  db: Kysely<Schema>,
  { checksum, kind }: OstreeObjectName,
  limit: number,
): Promise<readonly string[]> {
  const seeds = sql`select id from ostree_objects where checksum = ${checksum} and kind = ${kind}`;
  return affectedBySeeds(db, seeds, limit);
}

/** The same for all that lies in a pack. */
export async function affectedByPack(
  db: Kysely<Schema>,
  pack: Digest,
  limit: number,
): Promise<readonly string[]> {
  const used = await db
    .selectFrom('ostree_object_chunks')
    .select('object')
    .where('pack', '=', pack)
    .limit(1)
    .executeTakeFirst();
  if (used === undefined) return [];
  return affectedBySeeds(
    db,
    sql`select distinct object from ostree_object_chunks where pack = ${pack}`,
    limit,
  );
}

async function affectedBySeeds(
  db: Kysely<Schema>,
  seeds: RawBuilder<unknown>,
  limit: number,
): Promise<readonly string[]> {
  const up = sql`recursive seed (id) as (${seeds}),
    up (repo, object) as (
      select l.repo, l.object from seed join ostree_repo_objects l on l.object = seed.id
      union
      select l.repo, l.object from up
        join ostree_edges e on e.child = up.object and e.history = 0
        join ostree_repo_objects l on l.repo = up.repo and l.object = e.parent
    ),
    commits (repo, checksum) as (
      select up.repo, o.checksum from up
        join ostree_objects o on o.id = up.object and o.kind = 'commit'
    )`;
  const refs = await sql<{ repo: string; ref: string }>`with ${up}
    select r.repo, r.ref from commits c
      join ostree_refs r on r.repo = c.repo and r.checksum = c.checksum
      order by r.repo, r.ref limit ${limit}`.execute(db);
  if (refs.rows.length > 0) return refs.rows.map(({ repo, ref }) => `ref ${repo}:${ref}`);
  const commits = await sql<{ repo: string; checksum: string }>`with ${up}
    select repo, checksum from commits order by repo, checksum limit ${limit}`.execute(db);
  return commits.rows.map(({ repo, checksum }) => `commit ${repo}@${checksum}`);
}
