import { sql, type Kysely, type RawBuilder, type SqlBool, type Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { GcCutoff } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';
import { isLiveLayer, isNamedLink, isRecentLink } from './gc-live.ts';

export async function pruneLinks(
  tx: Transaction<Schema>,
  cutoff: GcCutoff,
  limit: number,
): Promise<readonly Digest[]> {
  const pruned = await tx
    .deleteFrom('repo_blobs')
    .where((eb) =>
      eb(
        eb.refTuple('repo', 'digest'),
        'in',
        eb
          .selectFrom('repo_blobs')
          .select(['repo_blobs.repo', 'repo_blobs.digest'])
          .where((old) => old.not(old.or([isRecentLink(old, cutoff), isNamedLink(old)])))
          .limit(limit)
          .$asTuple('repo', 'digest'),
      ),
    )
    .returning('digest')
    .execute();
  return pruned.map(({ digest }) => digest);
}

export async function pruneLayers(
  tx: Transaction<Schema>,
  cutoff: GcCutoff,
  limit: number,
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('layers')
    .where('digest', 'in', (eb) =>
      eb
        .selectFrom('layers')
        .select('layers.digest')
        .where((old) => old.not(isLiveLayer(old, cutoff)))
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** The matrices of deltas: of images and of OSTree commits. */
type Matrix = 'deltas' | 'ostree_deltas';

/** What left a matrix and has no more claim to its bytes. */
function isForgotten(cutoff: GcCutoff): RawBuilder<SqlBool> {
  return sql`state = 'retired' and updated_ms <= ${cutoff.retiredBeforeMs}`;
}

export async function countForgotten(
  db: Kysely<Schema>,
  matrix: Matrix,
  cutoff: GcCutoff,
): Promise<number> {
  const { rows } = await sql<{ readonly rows: number }>`
    select count(*) as rows from ${sql.table(matrix)} where ${isForgotten(cutoff)}`.execute(db);
  return rows[0]?.rows ?? 0;
}

/** Retired deltas; the names of a static one's files go with it. */
export async function pruneDeltas(
  tx: Transaction<Schema>,
  matrix: Matrix,
  cutoff: GcCutoff,
  limit: number,
): Promise<number> {
  const table = sql.table(matrix);
  const { numAffectedRows = 0n } = await sql`
    delete from ${table} where id in
      (select id from ${table} where ${isForgotten(cutoff)} limit ${limit})`.execute(tx);
  return Number(numAffectedRows);
}

/** The chunks of a pack go with it. */
export async function prunePacks(tx: Transaction<Schema>, limit: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('packs')
    .where('digest', 'in', (eb) =>
      eb
        .selectFrom('packs as old')
        .select('old.digest')
        .where((is) =>
          is.not(
            is.exists(
              is
                .selectFrom('layer_packs as p')
                .select('p.pack')
                .whereRef('p.pack', '=', 'old.digest')
                .unionAll(
                  is
                    .selectFrom('ostree_object_chunks as c')
                    .select('c.pack')
                    .whereRef('c.pack', '=', 'old.digest'),
                ),
            ),
          ),
        )
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
