import type { Expression, ExpressionBuilder, SqlBool, Transaction } from 'kysely';

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

/** Retired static deltas; the names of their files go with them. */
export function isForgotten(
  eb: ExpressionBuilder<Schema, 'ostree_deltas'>,
  cutoff: GcCutoff,
): Expression<SqlBool> {
  return eb.and([
    eb('ostree_deltas.state', '=', 'retired'),
    eb('ostree_deltas.updated_ms', '<=', cutoff.retiredBeforeMs),
  ]);
}

export async function pruneOstreeDeltas(
  tx: Transaction<Schema>,
  cutoff: GcCutoff,
  limit: number,
): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('ostree_deltas')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('ostree_deltas')
        .select('ostree_deltas.id')
        .where((old) => isForgotten(old, cutoff))
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
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
