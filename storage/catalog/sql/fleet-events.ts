import type { Selectable, Transaction } from 'kysely';

import type { DeviceEvent } from '../fleet-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** Those of the events that were new. */
export async function addEvents(
  tx: Transaction<Schema>,
  decisionId: string,
  events: readonly DeviceEvent[],
): Promise<readonly Pick<DeviceEvent, 'seq' | 'type'>[]> {
  const rows = events.map((event) => ({
    decision_id: decisionId,
    seq: event.seq,
    type: event.type,
    at_ms: event.atMs,
    plan: event.plan ?? null,
    bytes: event.bytes ?? null,
    wire_bytes: event.wireBytes ?? null,
    code: event.code ?? null,
    message: event.message ?? null,
  }));
  const added: Pick<DeviceEvent, 'seq' | 'type'>[] = [];
  for (const batch of batches(rows)) {
    const inserted = await tx
      .insertInto('events')
      .values(batch)
      .onConflict((oc) => oc.columns(['decision_id', 'seq']).doNothing())
      .returning(['seq', 'type'])
      .execute();
    added.push(...inserted);
  }
  return added;
}

/** The device runs the decision's target now, unless a later one of that kind was healthy already. */
export async function moveDevice(
  tx: Transaction<Schema>,
  decision: Selectable<Schema['decisions']>,
): Promise<void> {
  const later = await tx
    .selectFrom('decisions as d')
    .innerJoin('events as e', 'e.decision_id', 'd.id')
    .select('d.id')
    .where('d.device_id', '=', decision.device_id)
    .where('d.kind', '=', decision.kind)
    .where('d.created_ms', '>', decision.created_ms)
    .where('e.type', '=', 'healthy')
    .limit(1)
    .executeTakeFirst();
  if (later !== undefined) return;
  await tx
    .updateTable('devices')
    .set({ current: decision.to_digest })
    .where('id', '=', decision.device_id)
    .where('kind', '=', decision.kind)
    .execute();
}
