import type { Selectable, Transaction } from 'kysely';
import { sql } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type {
  DecisionRow,
  DeviceCount,
  DeviceEvent,
  DeviceRow,
  FleetCatalog,
} from '../fleet-catalog.ts';
import type { Page } from '../repository-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches, type SqlContext } from './context.ts';

/** Devices, what was decided for them, and what they reported. */
export class SqlFleet implements FleetCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  /**
   * Reports reach the origin through caches, late and out of order: an older sighting changes nothing,
   * and a sighting that does not know the version or the region leaves what is known.
   */
  async seen(device: DeviceRow): Promise<void> {
    const { id, product, channel, platform, region, seenMs } = device;
    await this.#context.db
      .insertInto('devices')
      .values({
        id,
        product,
        channel,
        platform,
        region,
        current: device.current ?? null,
        seen_ms: seenMs,
      })
      .onConflict((oc) =>
        oc
          .column('id')
          .doUpdateSet((eb) => ({
            product: eb.ref('excluded.product'),
            channel: eb.ref('excluded.channel'),
            platform: eb.ref('excluded.platform'),
            region: sql<string>`coalesce(nullif(excluded.region, ''), devices.region)`,
            current: eb.fn.coalesce('excluded.current', 'devices.current'),
            seen_ms: eb.ref('excluded.seen_ms'),
          }))
          .whereRef('excluded.seen_ms', '>=', 'devices.seen_ms'),
      )
      .execute();
  }

  async device(id: string): Promise<DeviceRow | undefined> {
    const row = await this.#context.db
      .selectFrom('devices')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toDevice(row);
  }

  async devices(page: Page): Promise<readonly DeviceRow[]> {
    let query = this.#context.db.selectFrom('devices').selectAll().orderBy('id').limit(page.limit);
    if (page.last !== undefined) query = query.where('id', '>', page.last);
    return (await query.execute()).map(toDevice);
  }

  async counts(): Promise<readonly DeviceCount[]> {
    const rows = await this.#context.db
      .selectFrom('devices')
      .select(['product', 'platform', 'region', 'current', sql<number>`count(*)`.as('devices')])
      .groupBy(['product', 'platform', 'region', 'current'])
      .execute();
    return rows.map(({ current, ...row }) => ({ ...row, ...(current !== null && { current }) }));
  }

  async live(sinceMs: number): ReturnType<FleetCatalog['live']> {
    return this.#context.db
      .selectFrom('devices')
      .select(['product', 'channel', 'platform', 'current'])
      .distinct()
      .where('seen_ms', '>=', sinceMs)
      .where('current', 'is not', null)
      .orderBy('product')
      .orderBy('channel')
      .orderBy('platform')
      .orderBy('current')
      .$narrowType<{ current: Digest }>()
      .execute();
  }

  async decide(decision: DecisionRow): Promise<void> {
    await this.#context.db
      .insertInto('decisions')
      .values({
        id: decision.id,
        device_id: decision.deviceId,
        product: decision.product,
        from_digest: decision.from ?? null,
        to_digest: decision.to,
        created_ms: decision.createdMs,
      })
      .onConflict((oc) => oc.column('id').doNothing())
      .execute();
  }

  async decision(id: string): Promise<DecisionRow | undefined> {
    const row = await this.#context.db
      .selectFrom('decisions')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toDecision(row);
  }

  async report(decisionId: string, events: readonly DeviceEvent[]): Promise<readonly number[]> {
    return this.#context.db.transaction().execute(async (tx) => {
      const decision = await tx
        .selectFrom('decisions')
        .selectAll()
        .where('id', '=', decisionId)
        .executeTakeFirst();
      if (decision === undefined) {
        throw new StorageError('missing', `no decision ${decisionId}: report it with its facts`, {
          detail: { decisionId },
        });
      }
      const added = await addEvents(tx, decisionId, events);
      if (added.some((event) => event.type === 'healthy')) await moveDevice(tx, decision);
      return added.map(({ seq }) => seq);
    });
  }

  async events(decisionId: string): Promise<readonly DeviceEvent[]> {
    const rows = await this.#context.db
      .selectFrom('events')
      .selectAll()
      .where('decision_id', '=', decisionId)
      .orderBy('seq')
      .execute();
    return rows.map(toEvent);
  }
}

async function addEvents(
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

/** The device runs the decision's target now, unless a later decision of its was healthy already. */
async function moveDevice(
  tx: Transaction<Schema>,
  decision: Selectable<Schema['decisions']>,
): Promise<void> {
  const later = await tx
    .selectFrom('decisions as d')
    .innerJoin('events as e', 'e.decision_id', 'd.id')
    .select('d.id')
    .where('d.device_id', '=', decision.device_id)
    .where('d.created_ms', '>', decision.created_ms)
    .where('e.type', '=', 'healthy')
    .limit(1)
    .executeTakeFirst();
  if (later !== undefined) return;
  await tx
    .updateTable('devices')
    .set({ current: decision.to_digest })
    .where('id', '=', decision.device_id)
    .execute();
}

function toDevice(row: Selectable<Schema['devices']>): DeviceRow {
  return {
    id: row.id,
    product: row.product,
    channel: row.channel,
    platform: row.platform,
    region: row.region,
    ...(row.current !== null && { current: row.current }),
    seenMs: row.seen_ms,
  };
}

function toDecision(row: Selectable<Schema['decisions']>): DecisionRow {
  return {
    id: row.id,
    deviceId: row.device_id,
    product: row.product,
    ...(row.from_digest !== null && { from: row.from_digest }),
    to: row.to_digest,
    createdMs: row.created_ms,
  };
}

function toEvent(row: Selectable<Schema['events']>): DeviceEvent {
  return {
    seq: row.seq,
    type: row.type,
    atMs: row.at_ms,
    ...(row.plan !== null && { plan: row.plan }),
    ...(row.bytes !== null && { bytes: row.bytes }),
    ...(row.code !== null && { code: row.code }),
    ...(row.message !== null && { message: row.message }),
  };
}
