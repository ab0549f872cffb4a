import type { Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** `condemned.removed`: what became of the digest. */
export const CONDEMNED = { beingRemoved: 0, removed: 1, unlinked: 2 } as const;

/** A blob that the caller has stored, or found stored, and is about to name. */
export interface Stored {
  readonly digest: Digest;
  /** True if it was not there before the caller stored it. */
  readonly created?: boolean | undefined;
}

/**
 * `unavailable` while a collector is removing one of the blobs, and, unless the caller has created it,
 * when one was removed moments ago: a collector that looked at its age before the caller touched it
 * has taken the bytes that the caller believes to be there. One that was removed and is back is forgotten.
 */
export async function nameStored(
  tx: Transaction<Schema>,
  blobs: readonly Stored[],
  nowMs: number,
): Promise<void> {
  const created = new Set(blobs.flatMap((blob) => (blob.created === true ? [blob.digest] : [])));
  for (const batch of batches(blobs)) {
    const digests = batch.map(({ digest }) => digest);
    const rows = await tx
      .selectFrom('condemned')
      .select(['digest', 'removed'])
      .where('digest', 'in', digests)
      .where('removed', '<>', CONDEMNED.unlinked)
      .where('until_ms', '>', nowMs)
      .execute();
    const gone = rows.find(
      ({ digest, removed }) => removed === CONDEMNED.beingRemoved || !created.has(digest),
    );
    if (gone !== undefined) throw beingRemoved(gone.digest);
    await tx
      .deleteFrom('condemned')
      .where('digest', 'in', digests)
      .where('removed', '<>', CONDEMNED.unlinked)
      .execute();
  }
}

/**
 * For what a manifest of the repository names: `unavailable` if a collector has just taken the bytes, or
 * the repository's link to them. Otherwise a manifest whose client had found the blob there would be
 * taken as a sparse one.
 */
export async function nameChildren(
  tx: Transaction<Schema>,
  repo: RepoName,
  digests: readonly Digest[],
  nowMs: number,
): Promise<void> {
  for (const batch of batches(digests)) {
    const row = await tx
      .selectFrom('condemned as c')
      .select('c.digest')
      .where('c.digest', 'in', batch)
      .where('c.until_ms', '>', nowMs)
      .where((eb) =>
        eb.not(
          eb.or([
            eb.exists(
              eb
                .selectFrom('repo_blobs as b')
                .select('b.digest')
                .where('b.repo', '=', repo)
                .whereRef('b.digest', '=', 'c.digest'),
            ),
            eb.exists(
              eb
                .selectFrom('manifests as m')
                .select('m.digest')
                .where('m.repo', '=', repo)
                .whereRef('m.digest', '=', 'c.digest'),
            ),
          ]),
        ),
      )
      .executeTakeFirst();
    if (row !== undefined) throw beingRemoved(row.digest);
  }
}

/** For what repositories just lost: see {@link nameChildren}. */
export async function rememberUnlinked(
  tx: Transaction<Schema>,
  digests: readonly Digest[],
  untilMs: number,
): Promise<void> {
  for (const batch of batches([...new Set(digests)])) {
    await tx
      .insertInto('condemned')
      .values(batch.map((digest) => ({ digest, until_ms: untilMs, removed: CONDEMNED.unlinked })))
      .onConflict((oc) =>
        oc
          .column('digest')
          .doUpdateSet({ until_ms: untilMs })
          .where('condemned.removed', '=', CONDEMNED.unlinked),
      )
      .execute();
  }
}

function beingRemoved(digest: Digest): StorageError {
  return new StorageError(
    'unavailable',
    `garbage collection is removing ${digest}, which nothing named: push it again`,
    { detail: { digest, beingCollected: true } },
  );
}
