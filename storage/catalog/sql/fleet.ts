import { sql } from 'kysely';

import type { Digest } from '../../digest.ts';
import { StorageError } from '../../errors.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import type {
  DecisionRow,
  DeviceCount,
  DeviceEvent,
  DeviceKind,
  DevicePage,
  DeviceRow,
  FleetCatalog,
  LiveCommit,
  LiveImage,
  UpdateCost,
} from '../fleet-catalog.ts';
import type { SqlContext } from './context.ts';
import { lastCosts } from './fleet-costs.ts';
import { addEvents, moveDevice } from './fleet-events.ts';
import {
  isDeviceOf,
  toDecision,
  toDevice,
  toEvent,
  toLiveCommit,
  toLiveImage,
} from './fleet-rows.ts';

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
    const { id, kind, product, channel, region, seenMs } = device;
    await this.#context.db
      .insertInto('devices')
      .values({
        id,
        kind,
        product,
        channel,
        platform: device.kind === 'oci' ? device.platform : '',
        region,
        current: device.current ?? null,
        seen_ms: seenMs,
      })
      .onConflict((oc) =>
        oc
          .columns(['id', 'kind'])
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

  async device<K extends DeviceKind>(
    id: string,
    kind: K,
  ): Promise<Extract<DeviceRow, { readonly kind: K }> | undefined> {
    const row = await this.#context.db
      .selectFrom('devices')
      .selectAll()
      .where('id', '=', id)
      .where('kind', '=', kind)
      .executeTakeFirst();
    const device = row && toDevice(row);
    return device !== undefined && isDeviceOf(kind, device) ? device : undefined;
  }

  async devices({ last, limit }: DevicePage): Promise<readonly DeviceRow[]> {
    const { db } = this.#context;
    let query = db.selectFrom('devices').selectAll().orderBy('id').orderBy('kind').limit(limit);
    if (last !== undefined) {
      const { id, kind } = last;
      query =
        kind === undefined
          ? query.where('id', '>', id)
          : query.where((eb) => eb(eb.refTuple('id', 'kind'), '>', eb.tuple(id, kind)));
    }
    return (await query.execute()).map(toDevice);
  }

  async counts(): Promise<readonly DeviceCount[]> {
    const rows = await this.#context.db
      .selectFrom('devices')
      .select([
        'kind',
        'product',
        'platform',
        'region',
        'current',
        sql<number>`count(*)`.as('devices'),
      ])
      .groupBy(['kind', 'product', 'platform', 'region', 'current'])
      .execute();
    return rows.map(({ current, platform, ...row }) => ({
      ...row,
      ...(row.kind === 'oci' && { platform }),
      ...(current !== null && { current }),
    }));
  }

  async liveImages(sinceMs: number): Promise<readonly LiveImage[]> {
    return (await this.#live('oci', sinceMs)).map(toLiveImage);
  }

  async liveCommits(sinceMs: number): Promise<readonly LiveCommit[]> {
    return (await this.#live('ostree', sinceMs)).map(toLiveCommit);
  }

  async decide(decision: DecisionRow): Promise<void> {
    await this.#context.db
      .insertInto('decisions')
      .values({
        id: decision.id,
        kind: decision.kind,
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

  async lastCosts(deviceIds: readonly string[]): Promise<readonly UpdateCost[]> {
    return lastCosts(this.#context.db, deviceIds);
  }

  async #live(kind: DeviceKind, sinceMs: number) {
    return this.#context.db
      .selectFrom('devices')
      .select(['product', 'channel', 'platform', 'current'])
      .distinct()
      .where('kind', '=', kind)
      .where('seen_ms', '>=', sinceMs)
      .where('current', 'is not', null)
      .orderBy('product')
      .orderBy('channel')
      .orderBy('platform')
      .orderBy('current')
      .$narrowType<{ current: Digest | OstreeChecksum }>()
      .execute();
  }
}
