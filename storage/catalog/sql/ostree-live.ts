import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName } from '../../names.ts';
import type { GcCutoff, GcRows } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';

/** How many commits of a ref stay, by the column with its repository. */
function keptIn({ keptCommits, keptCommitsIn }: GcCutoff, column: string): RawBuilder<number> {
  if (keptCommitsIn === undefined || keptCommitsIn.size === 0) return sql`${keptCommits}`;
  const cases = [...keptCommitsIn].map(([repo, kept]) => sql`when ${repo} then ${sql.lit(kept)}`);
  return sql`case ${sql.ref(column)} ${sql.join(cases, sql` `)} else ${sql.lit(keptCommits)} end`;
}

/**
 * Commits that refs hold, with how many are before each: where a ref is, where its log says that it was,
 * and parents of those; and, without parents, what devices that follow a ref run, may be rolled back to,
 * or were lately told to install.
 */
function keptCommits(cutoff: GcCutoff, repo?: RepoName): RawBuilder<unknown> {
  const only = repo === undefined ? sql`true` : sql`repo = ${repo}`;
  const live = sql`v.kind = 'ostree' and v.seen_ms >= ${cutoff.liveSinceMs}
    and ${repo === undefined ? sql`true` : sql`v.product = ${repo}`}`;
  const decisions = sql`join decisions c
    on c.device_id = v.id and c.kind = v.kind and c.product = v.product
      and (c.created_ms >= ${cutoff.liveSinceMs} or c.to_digest = v.current)`;
  return sql`kept (repo, object, depth) as (
    select r.repo, o.id, 0 from (select repo, checksum from ostree_refs where ${only}) r
      join ostree_objects o on o.checksum = r.checksum and o.kind = 'commit'
    union
    select g.repo, o.id, g.depth from (
        select repo, checksum, row_number() over (partition by repo, ref order by id desc) - 1 as depth
          from ostree_ref_log where ${only}
      ) g
      join ostree_objects o on o.checksum = g.checksum and o.kind = 'commit'
      where g.depth < ${keptIn(cutoff, 'g.repo')}
    union
    select d.repo, o.id, ${keptIn(cutoff, 'd.repo')} from (
        select v.product as repo, v.channel as ref, v.current as checksum from devices v where ${live}
        union
        select v.product, v.channel, c.from_digest from devices v ${decisions} where ${live}
        union
        select v.product, v.channel, c.to_digest from devices v ${decisions} where ${live}
      ) d
      join ostree_refs r on r.repo = d.repo and r.ref = d.ref
      join ostree_objects o on o.checksum = d.checksum and o.kind = 'commit'
    union
    select kept.repo, e.child, kept.depth + 1 from kept
      join ostree_edges e on e.parent = kept.object and e.history = 1
      where kept.depth + 1 < ${keptIn(cutoff, 'kept.repo')}
  )`;
}

/** Numbers of the commits of a repository that refs hold. */
export async function commitsKept(
  db: Kysely<Schema>,
  repo: RepoName,
  cutoff: GcCutoff,
): Promise<ReadonlySet<number>> {
  const { rows } = await sql<{ object: number }>`with recursive ${keptCommits(cutoff, repo)}
    select object from kept`.execute(db);
  return new Set(rows.map(({ object }) => object));
}

/** What pruning would leave: `live` links and `stays`, objects. */
function surviving(cutoff: GcCutoff): RawBuilder<unknown> {
  return sql`recursive ${keptCommits(cutoff)},
    live (repo, object) as (
      select repo, object from ostree_repo_objects where linked_ms > ${cutoff.unnamedBeforeMs}
      union
      select l.repo, l.object from kept
        join ostree_repo_objects l on l.repo = kept.repo and l.object = kept.object
      union
      select l.repo, l.object from live
        join ostree_edges e on e.parent = live.object and e.history = 0
        join ostree_repo_objects l on l.repo = live.repo and l.object = e.child
    ),
    stays (object) as (
      select object from live
      union
      select id from ostree_objects where touched_ms > ${cutoff.unnamedBeforeMs} and size is not null
    )`;
}

/** What pruning would remove of OSTree's links and objects. */
export async function prunableOstree(
  db: Kysely<Schema>,
  cutoff: GcCutoff,
): Promise<Pick<GcRows, 'ostreeLinks' | 'ostreeObjects'>> {
  const { rows } = await sql<
    Pick<GcRows, 'ostreeLinks' | 'ostreeObjects'>
  >`with ${surviving(cutoff)}
    select
      (select count(*) from ostree_repo_objects) - (select count(*) from live) as "ostreeLinks",
      (select count(*) from ostree_objects where size is not null)
        - (select count(*) from stays) as "ostreeObjects"`.execute(db);
  return rows[0] ?? { ostreeLinks: 0, ostreeObjects: 0 };
}

/** A subquery: every pack in which something lies that pruning leaves. */
export function lastingOstreePacks(cutoff: GcCutoff): RawBuilder<Digest> {
  return sql<Digest>`(with ${surviving(cutoff)}
    select c.pack from stays join ostree_object_chunks c on c.object = stays.object)`;
}

/** Those of the packs in which something lies that pruning leaves. */
export async function lastingPacksOf(
  db: Kysely<Schema>,
  packs: readonly Digest[],
  cutoff: GcCutoff,
): Promise<readonly { readonly digest: Digest }[]> {
  const used = await db
    .selectFrom('ostree_object_chunks')
    .select('pack as digest')
    .distinct()
    .where('pack', 'in', packs)
    .execute();
  if (used.length === 0) return [];
  const list = sql.join(used.map(({ digest }) => digest));
  // Upwards from what lies in the packs: of a whole catalog a few packs are asked for at once.
  const { rows } = await sql<{ digest: Digest }>`with recursive ${keptCommits(cutoff)},
    up (pack, repo, object) as (
      select c.pack, l.repo, l.object from ostree_object_chunks c
        join ostree_repo_objects l on l.object = c.object
        where c.pack in (${list})
      union
      select up.pack, l.repo, l.object from up
        join ostree_edges e on e.child = up.object and e.history = 0
        join ostree_repo_objects l on l.repo = up.repo and l.object = e.parent
    )
    select up.pack as digest from up
      join ostree_repo_objects l on l.repo = up.repo and l.object = up.object
      where l.linked_ms > ${cutoff.unnamedBeforeMs}
        or (up.repo, up.object) in (select repo, object from kept)
    union
    select c.pack from ostree_object_chunks c
      join ostree_objects o on o.id = c.object
      where c.pack in (${list}) and o.touched_ms > ${cutoff.unnamedBeforeMs}`.execute(db);
  return rows;
}
