import type { Expression, ExpressionBuilder, Kysely, SqlBool, Transaction } from 'kysely';

import type { GcCutoff } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** Objects looked at for each that may be removed: looking takes no lock. */
const LOOK_FACTOR = 10;

/** As `GcCatalog.pruneOstreeObjects`. */
export async function pruneObjectsAfter(
  db: Kysely<Schema>,
  cutoff: GcCutoff,
  after: number,
  limit: number,
): Promise<{ readonly removed: number; readonly next?: number | undefined }> {
  const count = limit * LOOK_FACTOR;
  const end = await db
    .selectFrom('ostree_objects')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .offset(count - 1)
    .limit(1)
    .executeTakeFirst();
  const dead = await db
    .selectFrom('ostree_objects')
    .select('id')
    .where('id', '>', after)
    .where('id', '<=', end?.id ?? Number.MAX_SAFE_INTEGER)
    .where((eb) => isDead(eb, cutoff))
    .execute();
  let removed = 0;
  for (let at = 0; at < dead.length; at += limit) {
    const ids = dead.slice(at, at + limit).map(({ id }) => id);
    removed += await db.transaction().execute((tx) => removeObjects(tx, cutoff, ids));
  }
  return { removed, ...(end !== undefined && { next: end.id }) };
}

function isDead(
  eb: ExpressionBuilder<Schema, 'ostree_objects'>,
  cutoff: GcCutoff,
): Expression<SqlBool> {
  return eb.and([
    eb('ostree_objects.size', 'is not', null),
    eb('ostree_objects.touched_ms', '<=', cutoff.unnamedBeforeMs),
    eb.not(
      eb.exists(
        eb
          .selectFrom('ostree_repo_objects as l')
          .select('l.object')
          .whereRef('l.object', '=', 'ostree_objects.id'),
      ),
    ),
  ]);
}

/** Removes those that are dead; a name goes with the last parent that names it. */
async function removeObjects(
  tx: Transaction<Schema>,
  cutoff: GcCutoff,
  candidates: readonly number[],
): Promise<number> {
  const dead: number[] = [];
  for (const batch of batches(candidates)) {
    const rows = await tx
      .updateTable('ostree_objects')
      .set({ size: null, header: null })
      .where('id', 'in', batch)
      .where((eb) => isDead(eb, cutoff))
      .returning('id')
      .execute();
    dead.push(...rows.map(({ id }) => id));
  }
  const names = new Set(dead);
  for (const batch of batches(dead)) {
    await tx.deleteFrom('ostree_object_chunks').where('object', 'in', batch).execute();
    const edges = await tx
      .deleteFrom('ostree_edges')
      .where('parent', 'in', batch)
      .returning('child')
      .execute();
    for (const { child } of edges) names.add(child);
  }
  for (const batch of batches([...names])) {
    await tx
      .deleteFrom('ostree_objects')
      .where('id', 'in', batch)
      .where('size', 'is', null)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('ostree_edges as e')
              .select('e.child')
              .whereRef('e.child', '=', 'ostree_objects.id'),
          ),
        ),
      )
      .execute();
  }
  return dead.length;
}
