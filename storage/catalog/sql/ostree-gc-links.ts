import { sql, type Kysely, type Transaction } from 'kysely';

import type { RepoName } from '../../names.ts';
import type { OstreeKind } from '../../ostree/object-name.ts';
import type { GcCutoff, OstreeLinkPlace } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';
import { commitsKept } from './ostree-live.ts';

/** Links looked at for each that may be removed: looking takes no lock. */
const LOOK_FACTOR = 10;

interface Candidate {
  readonly repo: RepoName;
  readonly object: number;
  readonly kind: OstreeKind;
}

/** As `GcCatalog.pruneOstreeLinks`. */
export async function pruneLinksAfter(
  db: Kysely<Schema>,
  cutoff: GcCutoff,
  after: OstreeLinkPlace | undefined,
  limit: number,
): Promise<{ readonly removed: number; readonly next?: OstreeLinkPlace | undefined }> {
  const page = await linksAfter(db, after, limit * LOOK_FACTOR);
  let removed = 0;
  for (const [repo, candidates] of byRepo(await looseOf(db, cutoff, page))) {
    for (let at = 0; at < candidates.length; at += limit) {
      const part = candidates.slice(at, at + limit);
      removed += await db.transaction().execute((tx) => pruneFrom(tx, cutoff, repo, part, limit));
    }
  }
  const next = page.length < limit * LOOK_FACTOR ? undefined : page.at(-1);
  return { removed, ...(next !== undefined && { next }) };
}

async function linksAfter(
  db: Kysely<Schema>,
  after: OstreeLinkPlace | undefined,
  count: number,
): Promise<readonly OstreeLinkPlace[]> {
  let query = db
    .selectFrom('ostree_repo_objects')
    .select(['repo', 'object'])
    .orderBy('repo')
    .orderBy('object')
    .limit(count);
  if (after !== undefined) {
    const { repo, object } = after;
    query = query.where((eb) => eb(eb.refTuple('repo', 'object'), '>', eb.tuple(repo, object)));
  }
  return query.execute();
}

/** Those of the links, by the look of it, that nothing holds. */
async function looseOf(
  db: Kysely<Schema>,
  cutoff: GcCutoff,
  page: readonly OstreeLinkPlace[],
): Promise<readonly Candidate[]> {
  const loose: Candidate[] = [];
  for (const [repo, links] of byRepo(page)) {
    const ids = links.map(({ object }) => object);
    loose.push(...(await looseAmong(db, cutoff, repo, ids)));
  }
  return loose;
}

async function looseAmong(
  db: Kysely<Schema>,
  cutoff: GcCutoff,
  repo: RepoName,
  objects: readonly number[],
): Promise<readonly Candidate[]> {
  const loose: Candidate[] = [];
  for (const batch of batches(objects)) {
    const { rows } = await sql<{ object: number; kind: OstreeKind }>`
      select l.object, o.kind from ostree_repo_objects l
        join ostree_objects o on o.id = l.object
        where l.repo = ${repo} and l.object in (${sql.join(batch)})
          and l.linked_ms <= ${cutoff.unnamedBeforeMs}
          and not exists (
            select 1 from ostree_edges e
              join ostree_repo_objects p on p.repo = ${repo} and p.object = e.parent
              where e.child = l.object and e.history = 0
          )`.execute(db);
    for (const row of rows) loose.push({ repo, ...row });
  }
  if (!loose.some(({ kind }) => kind === 'commit')) return loose;
  const kept = await commitsKept(db, repo, cutoff);
  return loose.filter(({ object }) => !kept.has(object));
}

/** Removes those that are loose, then what only they held, until `limit` are gone. */
async function pruneFrom(
  tx: Transaction<Schema>,
  cutoff: GcCutoff,
  repo: RepoName,
  candidates: readonly Candidate[],
  limit: number,
): Promise<number> {
  const open = candidates.map(({ object }) => object);
  let removed = 0;
  while (open.length > 0 && removed < limit) {
    const loose = await looseAmong(tx, cutoff, repo, open.splice(0, limit - removed));
    if (loose.length === 0) continue;
    await unlink(tx, repo, loose);
    removed += loose.length;
    // What there is no room for is found by another pass.
    open.push(...(await childrenOf(tx, loose, limit * LOOK_FACTOR - open.length)));
  }
  return removed;
}

async function childrenOf(
  tx: Transaction<Schema>,
  parents: readonly Candidate[],
  limit: number,
): Promise<readonly number[]> {
  const children = await tx
    .selectFrom('ostree_edges')
    .select('child')
    .distinct()
    .where(
      'parent',
      'in',
      parents.map(({ object }) => object),
    )
    .where('history', '=', 0)
    .limit(Math.max(0, limit))
    .execute();
  return children.map(({ child }) => child);
}

async function unlink(
  tx: Transaction<Schema>,
  repo: RepoName,
  links: readonly Candidate[],
): Promise<void> {
  const objects = links.map(({ object }) => object);
  const commits = links.filter(({ kind }) => kind === 'commit');
  if (commits.length > 0) {
    for (const table of ['ostree_commitmeta', 'ostree_ref_log'] as const) {
      await tx
        .deleteFrom(table)
        .where('repo', '=', repo)
        .where('checksum', 'in', (eb) =>
          eb
            .selectFrom('ostree_objects')
            .select('checksum')
            .where('kind', '=', 'commit')
            .where('id', 'in', objects),
        )
        .execute();
    }
  }
  await tx
    .deleteFrom('ostree_repo_objects')
    .where('repo', '=', repo)
    .where('object', 'in', objects)
    .execute();
}

function byRepo<T extends { readonly repo: RepoName }>(
  links: readonly T[],
): ReadonlyMap<RepoName, readonly T[]> {
  const groups = new Map<RepoName, T[]>();
  for (const link of links) {
    const group = groups.get(link.repo);
    if (group === undefined) groups.set(link.repo, [link]);
    else group.push(link);
  }
  return groups;
}
