import { sql } from 'kysely';

import type { OstreeDeltaName, OstreeLoose } from '../ostree-delta-catalog.ts';
import type { SqlContext } from './context.ts';
import { walkFrom } from './ostree-closure.ts';

/** A file's size as a number, which the header in its `.filez` has and the one in its checksum has not. */
const SIZE_FIELD_BYTES = 8;

/** As `OstreeDeltaCatalog.loose`. */
export async function looseOf(
  { db }: SqlContext,
  { repo, from, to }: OstreeDeltaName,
): Promise<OstreeLoose> {
  const base = from === undefined ? sql`base (id) as (select 0)` : walkFrom(repo, from, 'base');
  const { rows } = await sql<OstreeLoose>`with recursive ${walkFrom(repo, to)}, ${base}
    select count(*) as requests, coalesce(sum(case o.kind
        when 'file' then length(o.header) + ${SIZE_FIELD_BYTES} + coalesce((
          select sum(c.length) from ostree_object_chunks c where c.object = o.id), 0)
        else o.size end), 0) as bytes
      from walk
      join ostree_objects o on o.id = walk.id
      join ostree_repo_objects l on l.repo = ${repo} and l.object = walk.id
      where not exists (
        select 1 from base join ostree_repo_objects b on b.repo = ${repo} and b.object = base.id
          where base.id = walk.id
      )`.execute(db);
  return rows[0] ?? { bytes: 0, requests: 0 };
}
