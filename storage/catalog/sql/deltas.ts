import { sql, type Selectable, type SqlBool } from 'kysely';

import type { Digest } from '../../digest.ts';
import type {
  DeltaCatalog,
  DeltaCoverage,
  DeltaFilter,
  DeltaPair,
  DeltaResult,
  DeltaRow,
  DeltaState,
} from '../delta-catalog.ts';
import type { Lease } from '../layer-catalog.ts';
import type { Schema } from '../schema.ts';
import { nameStored } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { resultColumns, toDelta } from './delta-rows.ts';
import { claimed, expectHeld, UNCLAIMED } from './leases.ts';

/** The matrix of deltas; also the builders' queue. */
export class SqlDeltas implements DeltaCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async ensure(pairs: readonly DeltaPair[]): Promise<number> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const rows = [...new Map(pairs.map((pair) => [pairKey(pair), pair])).values()].map((pair) => ({
      repo: pair.repo,
      tag: pair.tag,
      platform: pair.platform,
      from_digest: pair.from,
      to_digest: pair.to,
      state: 'pending' as const,
      due_ms: nowMs,
      created_ms: nowMs,
      updated_ms: nowMs,
    }));
    if (rows.length === 0) return 0;
    return db.transaction().execute(async (tx) => {
      let added = 0n;
      for (const batch of batches(rows)) {
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('deltas')
          .values(batch)
          .onConflict((oc) =>
            oc
              .columns(['repo', 'tag', 'platform', 'from_digest', 'to_digest'])
              .doUpdateSet({
                state: 'pending',
                attempts: 0,
                progress: 0,
                due_ms: nowMs,
                reason: null,
                updated_ms: nowMs,
              })
              .where('deltas.state', '=', 'retired'),
          )
          .executeTakeFirst();
        added += numInsertedOrUpdatedRows ?? 0n;
      }
      return Number(added);
    });
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly delta: DeltaRow; readonly lease: Lease } | undefined> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const row = await db
      .updateTable('deltas')
      .set({
        state: 'building',
        attempts: sql<number>`attempts + 1`,
        progress: 0,
        updated_ms: nowMs,
        ...claimed(owner, nowMs + leaseMs),
      })
      .where('id', '=', (eb) =>
        eb
          .selectFrom('deltas as free')
          .select('free.id')
          .where((is) =>
            is.or([
              is('free.state', '=', 'pending').and('free.due_ms', '<=', nowMs),
              is('free.state', 'in', ['building', 'proving']).and(
                'free.lease_until_ms',
                '<=',
                nowMs,
              ),
            ]),
          )
          .orderBy('free.due_ms')
          .orderBy('free.id')
          .limit(1),
      )
      .returningAll()
      .executeTakeFirst();
    return row && { delta: toDelta(row), lease: { owner, fence: row.fence } };
  }

  async progress(
    id: number,
    lease: Lease,
    state: 'building' | 'proving',
    progress: number,
    leaseMs: number,
  ): Promise<void> {
    const nowMs = this.#context.clock();
    await this.#updateHeld(id, lease, {
      state,
      progress: Math.min(1, Math.max(0, progress)),
      lease_until_ms: nowMs + leaseMs,
    });
  }

  async publish(id: number, lease: Lease, result: DeltaResult): Promise<void> {
    await this.#updateHeld(
      id,
      lease,
      { state: 'published', progress: 1, reason: null, ...resultColumns(result), ...UNCLAIMED },
      [result.digest],
    );
  }

  async reject(id: number, lease: Lease, reason: string, result: DeltaResult): Promise<void> {
    await this.#updateHeld(id, lease, {
      state: 'rejected',
      progress: 1,
      reason,
      ...resultColumns(result),
      ...UNCLAIMED,
    });
  }

  async fail(
    id: number,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void> {
    await this.#updateHeld(id, lease, {
      state: retryAtMs === undefined ? 'failed' : 'pending',
      progress: 0,
      reason,
      ...(retryAtMs !== undefined && { due_ms: retryAtMs }),
      ...UNCLAIMED,
    });
  }

  async retire(ids: readonly number[]): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      for (const batch of batches(ids)) {
        await tx
          .updateTable('deltas')
          .set({ state: 'retired', progress: 0, updated_ms: clock(), ...UNCLAIMED })
          .where('id', 'in', batch)
          .where('state', '<>', 'retired')
          .execute();
      }
    });
  }

  async get(id: number): Promise<DeltaRow | undefined> {
    const row = await this.#context.db
      .selectFrom('deltas')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toDelta(row);
  }

  async list(filter: DeltaFilter): Promise<readonly DeltaRow[]> {
    const { repo, tag, platform, from, to, states, after } = filter;
    const rows = await this.#context.db
      .selectFrom('deltas')
      .selectAll()
      .where((eb) =>
        eb.and([
          ...(repo === undefined ? [] : [eb('repo', '=', repo)]),
          ...(tag === undefined ? [] : [eb('tag', '=', tag)]),
          ...(platform === undefined ? [] : [eb('platform', '=', platform)]),
          ...(from === undefined ? [] : [eb('from_digest', '=', from)]),
          ...(to === undefined ? [] : [eb('to_digest', '=', to)]),
          ...(after === undefined ? [] : [eb('id', '>', after)]),
          ...(states === undefined
            ? []
            : [states.length === 0 ? sql<SqlBool>`1 = 0` : eb('state', 'in', states)]),
        ]),
      )
      .orderBy('id')
      .limit(filter.limit)
      .execute();
    return rows.map(toDelta);
  }

  async counts(): Promise<Readonly<Record<DeltaState, number>>> {
    const counts = {
      pending: 0,
      building: 0,
      proving: 0,
      published: 0,
      rejected: 0,
      failed: 0,
      retired: 0,
    };
    const rows = await this.#context.db
      .selectFrom('deltas')
      .select(['state', sql<number>`count(*)`.as('rows')])
      .groupBy('state')
      .execute();
    for (const { state, rows: n } of rows) counts[state] = n;
    return counts;
  }

  async coverage(): Promise<readonly DeltaCoverage[]> {
    return this.#context.db
      .selectFrom('deltas')
      .select([
        'repo',
        sql<number>`count(*)`.as('wanted'),
        sql<number>`sum(state in ('published', 'rejected'))`.as('done'),
      ])
      .where('state', '!=', 'retired')
      .groupBy('repo')
      .orderBy('repo')
      .execute();
  }

  async #updateHeld(
    id: number,
    lease: Lease,
    change: Partial<Omit<Selectable<Schema['deltas']>, 'id' | 'fence'>>,
    stored: readonly Digest[] = [],
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      await nameStored(tx, stored, nowMs);
      const { numUpdatedRows } = await tx
        .updateTable('deltas')
        .set({ updated_ms: nowMs, ...change })
        .where('id', '=', id)
        .where('state', 'in', ['building', 'proving'])
        .where('owner', '=', lease.owner)
        .where('fence', '=', lease.fence)
        .executeTakeFirst();
      expectHeld(numUpdatedRows, `delta ${id}`, lease);
    });
  }
}

function pairKey(pair: DeltaPair): string {
  return JSON.stringify([pair.repo, pair.tag, pair.platform, pair.from, pair.to]);
}
