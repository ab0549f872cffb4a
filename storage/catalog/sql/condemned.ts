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

/** For blobs that the caller has found there: `unavailable` if a collector came in between. */
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

function beingRemoved(digest: Digest): StorageError {
  return new StorageError(
    'unavailable',
    `garbage collection is removing ${digest}, which nothing named: push it again`,
    { detail: { digest } },
  );
}
