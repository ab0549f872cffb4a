import type { Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/**
 * For blobs that the caller has just stored. `unavailable` while a collector is removing one: the
 * bytes may be gone afterwards. One that was removed before is back now.
 */
export async function nameStored(
  tx: Transaction<Schema>,
  digests: readonly Digest[],
  nowMs: number,
): Promise<void> {
  for (const batch of batches(digests)) {
    const row = await tx
      .selectFrom('condemned')
      .select('digest')
      .where('digest', 'in', batch)
      .where('removed', '=', 0)
      .where('until_ms', '>', nowMs)
      .executeTakeFirst();
    if (row !== undefined) throw beingRemoved(row.digest);
    await tx.deleteFrom('condemned').where('digest', 'in', batch).execute();
  }
}

/** For what a manifest names: `unavailable` if a collector has just taken it. */
export async function nameChildren(
  tx: Transaction<Schema>,
  digests: readonly Digest[],
  nowMs: number,
): Promise<void> {
  for (const batch of batches(digests)) {
    const row = await tx
      .selectFrom('condemned')
      .select('digest')
      .where('digest', 'in', batch)
      .where('until_ms', '>', nowMs)
      .executeTakeFirst();
    if (row !== undefined) throw beingRemoved(row.digest);
  }
}

/**
 * For blobs of which links were just pruned: one that no repository has any more counts as removed.
 * Otherwise a manifest whose client had found the blob there would be taken as a sparse one.
 */
export async function rememberUnlinked(
  tx: Transaction<Schema>,
  digests: readonly Digest[],
  untilMs: number,
): Promise<void> {
  for (const batch of batches([...new Set(digests)])) {
    const linked = await tx
      .selectFrom('repo_blobs')
      .select('digest')
      .distinct()
      .where('digest', 'in', batch)
      .execute();
    const kept = new Set(linked.map(({ digest }) => digest));
    const rows = batch
      .filter((digest) => !kept.has(digest))
      .map((digest) => ({ digest, until_ms: untilMs, removed: 1 as const }));
    if (rows.length === 0) continue;
    await tx
      .insertInto('condemned')
      .values(rows)
      .onConflict((oc) => oc.column('digest').doNothing())
      .execute();
  }
}

function beingRemoved(digest: Digest): StorageError {
  return new StorageError(
    'unavailable',
    `garbage collection is removing ${digest}, which nothing named: push it again`,
    { detail: { digest } },
  );
}
