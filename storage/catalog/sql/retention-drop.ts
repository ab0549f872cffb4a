import type { Expression, ExpressionBuilder, SqlBool, Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName } from '../../names.ts';
import type { RetainedManifest, RetainedTag } from '../retention-catalog.ts';
import type { Schema } from '../schema.ts';
import { decidedOf, offeredOf } from './retention-uses.ts';

/** False if the tag is no more where it was, or a live device follows it. */
export async function dropTag(
  tx: Transaction<Schema>,
  repo: RepoName,
  { tag, releaseId }: RetainedTag,
  liveSinceMs: number,
): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('tags')
    .where('repo', '=', repo)
    .where('name', '=', tag)
    .where('release_id', '=', releaseId)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('devices as d')
            .select('d.id')
            .where('d.kind', '=', 'oci')
            .where('d.product', '=', repo)
            .where('d.channel', '=', tag)
            .where('d.seen_ms', '>=', liveSinceMs),
        ),
      ),
    )
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Deletes those that nothing needs by now; fewer than fit one statement. */
export async function dropManifests(
  tx: Transaction<Schema>,
  repo: RepoName,
  manifests: readonly RetainedManifest[],
  liveSinceMs: number,
): Promise<readonly Digest[]> {
  const known = new Map(manifests.map(({ digest, touchedMs }) => [digest, touchedMs]));
  const unneeded = await tx
    .selectFrom('manifests')
    .select(['manifests.digest', 'manifests.touched_ms'])
    .where('manifests.repo', '=', repo)
    .where('manifests.digest', 'in', [...known.keys()])
    .where((eb) => eb.not(isNeeded(eb, repo, liveSinceMs)))
    .execute();
  const untouched = unneeded.flatMap(({ digest, touched_ms }) =>
    touched_ms === known.get(digest) ? [digest] : [],
  );
  if (untouched.length === 0) return [];
  const used = new Set([
    ...(await decidedOf(tx, repo, liveSinceMs)),
    ...(await offeredOf(tx, repo)),
  ]);
  const digests = untouched.filter((digest) => !used.has(digest));
  if (digests.length === 0) return [];
  for (const table of ['releases', 'manifests'] as const) {
    await tx.deleteFrom(table).where('repo', '=', repo).where('digest', 'in', digests).execute();
  }
  return digests;
}

/** A tag is on it, an index names it, its subject is there, or a live device runs it. */
function isNeeded(
  eb: ExpressionBuilder<Schema, 'manifests'>,
  repo: RepoName,
  liveSinceMs: number,
): Expression<SqlBool> {
  return eb.or([
    eb.exists(
      eb
        .selectFrom('tags as t')
        .select('t.name')
        .where('t.repo', '=', repo)
        .whereRef('t.digest', '=', 'manifests.digest'),
    ),
    eb.exists(
      eb
        .selectFrom('manifest_children as c')
        .select('c.parent')
        .where('c.repo', '=', repo)
        .whereRef('c.digest', '=', 'manifests.digest'),
    ),
    eb.exists(
      eb
        .selectFrom('manifests as s')
        .select('s.digest')
        .where('s.repo', '=', repo)
        .whereRef('s.digest', '=', 'manifests.subject'),
    ),
    eb.exists(
      eb
        .selectFrom('devices as d')
        .select('d.id')
        .where('d.kind', '=', 'oci')
        .where('d.product', '=', repo)
        .whereRef('d.current', '=', 'manifests.digest')
        .where('d.seen_ms', '>=', liveSinceMs),
    ),
  ]);
}
