import type { Kysely, Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName } from '../../names.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/**
 * What a manifest names may be absent, and come later. It is there when its repository has a link to
 * the blob, or the manifest itself; nothing else is recorded, so nothing can contradict that.
 */

/** Makes those layers pending that the repository has and that a manifest of it wants chunked. */
export async function ensureAwaited(
  tx: Transaction<Schema>,
  repo: RepoName,
  of: { readonly parent: Digest } | { readonly digest: Digest },
  nowMs: number,
): Promise<void> {
  let query = tx
    .selectFrom('manifest_children as c')
    .innerJoin('repo_blobs as b', (join) =>
      join.onRef('b.repo', '=', 'c.repo').onRef('b.digest', '=', 'c.digest'),
    )
    .select(['c.digest', 'c.tar_type'])
    .distinct()
    .where('c.repo', '=', repo)
    .where('c.tar_type', 'is not', null)
    .$narrowType<{ tar_type: string }>();
  query =
    'parent' in of
      ? query.where('c.parent', '=', of.parent)
      : query.where('c.digest', '=', of.digest);
  const rows = (await query.execute()).map(({ digest, tar_type }) => ({
    digest,
    media_type: tar_type,
    state: 'pending' as const,
    created_ms: nowMs,
    updated_ms: nowMs,
  }));
  for (const batch of batches(rows)) {
    await tx
      .insertInto('layers')
      .values(batch)
      .onConflict((oc) => oc.column('digest').doNothing())
      .execute();
  }
}

/** As `RepositoryCatalog.incomplete`. */
export async function incompleteImages(
  db: Kysely<Schema>,
  repo: RepoName,
  images: readonly Digest[],
): Promise<ReadonlySet<Digest>> {
  const complete = new Set<Digest>();
  for (const batch of batches(images)) {
    const rows = await db
      .selectFrom('manifests as m')
      .select('m.digest')
      .where('m.repo', '=', repo)
      .where('m.digest', 'in', batch)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('manifest_children as c')
              .select('c.digest')
              .whereRef('c.repo', '=', 'm.repo')
              .whereRef('c.parent', '=', 'm.digest')
              .where((lacking) =>
                lacking.not(
                  lacking.exists(
                    lacking
                      .selectFrom('repo_blobs as b')
                      .select('b.digest')
                      .whereRef('b.repo', '=', 'c.repo')
                      .whereRef('b.digest', '=', 'c.digest'),
                  ),
                ),
              ),
          ),
        ),
      )
      .execute();
    for (const { digest } of rows) complete.add(digest);
  }
  return new Set(images.filter((digest) => !complete.has(digest)));
}

/** Digests that manifests name and whose repository has neither such a blob nor such a manifest. */
export async function absentChildren(
  db: Kysely<Schema>,
  after: Digest,
  limit: number,
): Promise<readonly Digest[]> {
  const rows = await db
    .selectFrom('manifest_children as c')
    .select('c.digest')
    .distinct()
    .where('c.digest', '>', after)
    .where((eb) =>
      eb.not(
        eb.or([
          eb.exists(
            eb
              .selectFrom('repo_blobs as b')
              .select('b.digest')
              .whereRef('b.repo', '=', 'c.repo')
              .whereRef('b.digest', '=', 'c.digest'),
          ),
          eb.exists(
            eb
              .selectFrom('manifests as m')
              .select('m.digest')
              .whereRef('m.repo', '=', 'c.repo')
              .whereRef('m.digest', '=', 'c.digest'),
          ),
        ]),
      ),
    )
    .orderBy('c.digest')
    .limit(limit)
    .execute();
  return rows.map(({ digest }) => digest);
}
