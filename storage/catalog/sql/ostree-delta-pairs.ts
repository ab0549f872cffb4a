import { sql, type RawBuilder, type SqlBool, type Transaction } from 'kysely';

import type { OstreeDeltaPair } from '../ostree-delta-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';
import { dropFiles } from './ostree-delta-files.ts';
import { fromColumn } from './ostree-delta-rows.ts';

/** As `OstreeDeltaCatalog.ensure`. */
export async function ensurePairs(
  tx: Transaction<Schema>,
  pairs: readonly OstreeDeltaPair[],
  keptSinceMs: number,
  nowMs: number,
): Promise<number> {
  let changed = 0;
  const known = new Map<string, OstreeDeltaPair>();
  for (const pair of pairs) if (!known.has(keyOf(pair))) known.set(keyOf(pair), pair);
  for (const batch of batches([...known.values()])) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('ostree_deltas')
      .values(
        batch.map(({ repo, ref, from, to }) => ({
          repo,
          ref,
          from_checksum: fromColumn(from),
          to_checksum: to,
          state: 'pending' as const,
          due_ms: nowMs,
          created_ms: nowMs,
          updated_ms: nowMs,
        })),
      )
      .onConflict((oc) => oc.columns(['repo', 'to_checksum', 'from_checksum']).doNothing())
      .executeTakeFirst();
    changed += Number(numInsertedOrUpdatedRows ?? 0n);
    changed += await republish(tx, batch, keptSinceMs, nowMs);
    changed += await buildAgain(tx, batch, nowMs);
  }
  return changed;
}

/** Its figures tell that a retired row was published once. */
async function republish(
  tx: Transaction<Schema>,
  pairs: readonly OstreeDeltaPair[],
  keptSinceMs: number,
  nowMs: number,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('ostree_deltas')
    .set({ state: 'published', progress: 1, updated_ms: nowMs })
    .where(isOneOf(pairs))
    .where('state', '=', 'retired')
    .where('superblock_bytes', 'is not', null)
    .where('updated_ms', '>', keptSinceMs)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('ostree_delta_files as f')
          .select('f.name')
          .whereRef('f.delta', '=', 'ostree_deltas.id')
          .where('f.name', '=', 'superblock'),
      ),
    )
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

async function buildAgain(
  tx: Transaction<Schema>,
  pairs: readonly OstreeDeltaPair[],
  nowMs: number,
): Promise<number> {
  const revived = await tx
    .updateTable('ostree_deltas')
    .set({
      state: 'pending',
      attempts: 0,
      progress: 0,
      due_ms: nowMs,
      superblock_bytes: null,
      reason: null,
      updated_ms: nowMs,
    })
    .where(isOneOf(pairs))
    .where('state', '=', 'retired')
    .returning('id')
    .execute();
  await dropFiles(
    tx,
    revived.map(({ id }) => id),
  );
  return revived.length;
}

function isOneOf(pairs: readonly OstreeDeltaPair[]): RawBuilder<SqlBool> {
  const rows = pairs.map(({ repo, from, to }) => sql`(${repo}, ${to}, ${fromColumn(from)})`);
  return sql<SqlBool>`(repo, to_checksum, from_checksum) in (values ${sql.join(rows)})`;
}

function keyOf({ repo, from, to }: OstreeDeltaPair): string {
  return `${repo} ${fromColumn(from)} ${to}`;
}
