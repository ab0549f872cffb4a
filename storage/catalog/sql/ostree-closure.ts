import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { RepoName } from '../../names.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import type { OstreeObjectName } from '../../ostree/object-name.ts';
import type { OstreeListed } from '../ostree-catalog.ts';
import type { Schema } from '../schema.ts';

/**
 * Numbers of what a commit reaches, history apart. The walk goes on only from objects that the
 * repository has: what it lacks another repository may have, whose names are none of its business.
 */
export function walkFrom(
  repo: RepoName,
  commit: OstreeChecksum,
  name: 'walk' | 'base' = 'walk',
): RawBuilder<unknown> {
  const walk = sql.raw(name);
  return sql`${walk} (id) as (
    select id from ostree_objects where checksum = ${commit} and kind = 'commit'
    union
    select e.child from ${walk}
      join ostree_repo_objects l on l.repo = ${repo} and l.object = ${walk}.id
      join ostree_edges e on e.parent = ${walk}.id and e.history = 0
  )`;
}

/** As `OstreeCatalog.closureGaps`. */
export async function closureGaps(
  db: Kysely<Schema>,
  repo: RepoName,
  commit: OstreeChecksum,
  limit: number,
): Promise<readonly OstreeObjectName[]> {
  const known = await db
    .selectFrom('ostree_objects')
    .select('id')
    .where('checksum', '=', commit)
    .where('kind', '=', 'commit')
    .executeTakeFirst();
  if (known === undefined) return [{ checksum: commit, kind: 'commit' as const }].slice(0, limit);
  const { rows } = await sql<OstreeObjectName>`with recursive ${walkFrom(repo, commit)}
    select o.checksum, o.kind from walk join ostree_objects o on o.id = walk.id
      where not exists (
        select 1 from ostree_repo_objects l where l.repo = ${repo} and l.object = walk.id
      )
      limit ${limit}`.execute(db);
  return rows;
}

/** As `OstreeCatalog.closure`. */
export async function closurePage(
  db: Kysely<Schema>,
  repo: RepoName,
  commit: OstreeChecksum,
  page: { readonly after?: number | undefined; readonly limit: number },
): Promise<{ readonly objects: readonly OstreeListed[]; readonly next?: number | undefined }> {
  const { after = 0, limit } = page;
  const { rows } = await sql<
    OstreeListed & { readonly id: number }
  >`with recursive ${walkFrom(repo, commit)}
    select o.id, o.checksum, o.kind, o.size from walk
      join ostree_objects o on o.id = walk.id
      join ostree_repo_objects l on l.repo = ${repo} and l.object = walk.id
      where walk.id > ${after}
      order by walk.id
      limit ${limit}`.execute(db);
  const last = rows.length < limit ? undefined : rows.at(-1)?.id;
  return {
    objects: rows.map(({ checksum, kind, size }) => ({ checksum, kind, size })),
    ...(last !== undefined && { next: last }),
  };
}
