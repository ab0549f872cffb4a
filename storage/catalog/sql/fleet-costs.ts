import type { Kysely } from 'kysely';

import type { UpdateCost } from '../fleet-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** What the last update of each of the devices cost that said so, once for each kind. */
export async function lastCosts(
  db: Kysely<Schema>,
  deviceIds: readonly string[],
): Promise<readonly UpdateCost[]> {
  const costs: UpdateCost[] = [];
  for (const batch of batches(deviceIds)) costs.push(...(await costsOf(db, batch)));
  return costs;
}

async function costsOf(
  db: Kysely<Schema>,
  deviceIds: readonly string[],
): Promise<readonly UpdateCost[]> {
  const rows = await db
    .selectFrom('devices as v')
    .innerJoin('decisions as d', (join) =>
      join.on('d.id', '=', (eb) =>
        eb
          .selectFrom('decisions as newer')
          .innerJoin('events as told', 'told.decision_id', 'newer.id')
          .select('newer.id')
          .whereRef('newer.device_id', '=', 'v.id')
          .whereRef('newer.kind', '=', 'v.kind')
          .where('told.bytes', 'is not', null)
          .orderBy('newer.created_ms', 'desc')
          .orderBy('newer.id', 'desc')
          .limit(1),
      ),
    )
    .innerJoin('events as e', (join) =>
      join.onRef('e.decision_id', '=', 'd.id').on('e.seq', '=', (eb) =>
        eb
          .selectFrom('events as last')
          .select((max) => max.fn.max('last.seq').as('seq'))
          .whereRef('last.decision_id', '=', 'd.id')
          .where('last.bytes', 'is not', null),
      ),
    )
    .select(['v.id', 'v.kind', 'd.to_digest', 'e.type', 'e.plan', 'e.bytes', 'e.wire_bytes'])
    .select('e.at_ms')
    .where('v.id', 'in', deviceIds)
    .orderBy('v.id')
    .orderBy('v.kind')
    .execute();
  return rows.map((row) => ({
    deviceId: row.id,
    kind: row.kind,
    to: row.to_digest,
    type: row.type,
    atMs: row.at_ms,
    ...(row.plan !== null && { plan: row.plan }),
    bytes: row.bytes ?? 0,
    ...(row.wire_bytes !== null && { wireBytes: row.wire_bytes }),
  }));
}
