import { sql, type RawBuilder, type SqlBool, type Transaction } from 'kysely';

import type { DeltaPair } from '../delta-catalog.ts';
import type { Schema } from '../schema.ts';
import { CONDEMNED } from './condemned.ts';
import { batches } from './context.ts';

/** As `DeltaCatalog.ensure`. */
export async function ensurePairs(
  tx: Transaction<Schema>,
  pairs: readonly DeltaPair[],
  keptSinceMs: number,
  nowMs: number,
): Promise<number> {
  let changed = 0;
  const known = new Map(pairs.map((pair) => [keyOf(pair), pair]));
  for (const batch of batches([...known.values()])) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('deltas')
      .values(
        batch.map(({ repo, tag, platform, from, to }) => ({
          repo,
          tag,
          platform,
          from_digest: from,
          to_digest: to,
          state: 'pending' as const,
          due_ms: nowMs,
          created_ms: nowMs,
          updated_ms: nowMs,
        })),
      )
      .onConflict((oc) =>
        oc.columns(['repo', 'tag', 'platform', 'from_digest', 'to_digest']).doNothing(),
      )
      .executeTakeFirst();
    changed += Number(numInsertedOrUpdatedRows ?? 0n);
    changed += await restore(tx, batch, keptSinceMs, nowMs);
    changed += await buildAgain(tx, batch, nowMs);
  }
  return changed;
}

/** A retired row with figures had come to an end, in the state that its reason tells. */
async function restore(
  tx: Transaction<Schema>,
  pairs: readonly DeltaPair[],
  keptSinceMs: number,
  nowMs: number,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('deltas')
    .set({
      state: sql`case when reason is null then 'published' else 'rejected' end`,
      progress: 1,
      updated_ms: nowMs,
    })
    .where(isOneOf(pairs))
    .where('state', '=', 'retired')
    .where('size', 'is not', null)
    .where('updated_ms', '>', keptSinceMs)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('condemned as c')
            .select('c.digest')
            .whereRef('c.digest', '=', 'deltas.digest')
            .where('c.removed', '<>', CONDEMNED.unlinked)
            .where('c.until_ms', '>', nowMs),
        ),
      ),
    )
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** The digest stays, and keeps the former delta's bytes: devices may still be fetching them. */
async function buildAgain(
  tx: Transaction<Schema>,
  pairs: readonly DeltaPair[],
  nowMs: number,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('deltas')
    .set({
      state: 'pending',
      attempts: 0,
      progress: 0,
      due_ms: nowMs,
      size: null,
      reason: null,
      updated_ms: nowMs,
    })
    .where(isOneOf(pairs))
    .where('state', '=', 'retired')
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

function isOneOf(pairs: readonly DeltaPair[]): RawBuilder<SqlBool> {
  const rows = pairs.map(
    ({ repo, tag, platform, from, to }) => sql`(${repo}, ${tag}, ${platform}, ${from}, ${to})`,
  );
  return sql<SqlBool>`(repo, tag, platform, from_digest, to_digest) in (values ${sql.join(rows)})`;
}

function keyOf(pair: DeltaPair): string {
  return JSON.stringify([pair.repo, pair.tag, pair.platform, pair.from, pair.to]);
}
