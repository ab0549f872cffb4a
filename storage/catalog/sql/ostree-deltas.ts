import { sql, type Selectable, type SqlBool, type Transaction } from 'kysely';

import type { DeltaCoverage, DeltaState } from '../delta-catalog.ts';
import type { Lease } from '../layer-catalog.ts';
import type {
  OstreeDeltaCatalog,
  OstreeDeltaFile,
  OstreeDeltaFilter,
  OstreeDeltaPair,
  OstreeDeltaResult,
  OstreeDeltaRow,
} from '../ostree-delta-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches, type SqlContext } from './context.ts';
import { claimed, expectHeld, UNCLAIMED } from './leases.ts';
import { dropFiles, nameFiles, SqlOstreeDeltaFiles } from './ostree-delta-files.ts';
import { ensurePairs } from './ostree-delta-pairs.ts';
import { fromColumn, ostreeResultColumns, toOstreeDelta } from './ostree-delta-rows.ts';

type Change = Partial<Omit<Selectable<Schema['ostree_deltas']>, 'id' | 'fence'>>;

/** The matrix of static deltas and the builders' queue; what is served comes from {@link SqlOstreeDeltaFiles}. */
export class SqlOstreeDeltas extends SqlOstreeDeltaFiles implements OstreeDeltaCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    super(context);
    this.#context = context;
  }

  async ensure(pairs: readonly OstreeDeltaPair[], keptSinceMs: number): Promise<number> {
    const { db, clock } = this.#context;
    if (pairs.length === 0) return 0;
    return db.transaction().execute((tx) => ensurePairs(tx, pairs, keptSinceMs, clock()));
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly delta: OstreeDeltaRow; readonly lease: Lease } | undefined> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const row = await db
      .updateTable('ostree_deltas')
      .set({
        state: 'building',
        attempts: sql<number>`attempts + 1`,
        progress: 0,
        updated_ms: nowMs,
        ...claimed(owner, nowMs + leaseMs),
      })
      .where('id', '=', (eb) =>
        eb
          .selectFrom('ostree_deltas as free')
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
    return row && { delta: toOstreeDelta(row), lease: { owner, fence: row.fence } };
  }

  async progress(
    id: number,
    lease: Lease,
    state: 'building' | 'proving',
    progress: number,
    leaseMs: number,
  ): Promise<void> {
    const lease_until_ms = this.#context.clock() + leaseMs;
    const fraction = Math.min(1, Math.max(0, progress));
    await this.#updateHeld(id, lease, { state, progress: fraction, lease_until_ms });
  }

  async keepFile(id: number, lease: Lease, file: OstreeDeltaFile): Promise<void> {
    const nowMs = this.#context.clock();
    await this.#updateHeld(id, lease, {}, (tx) => nameFiles(tx, id, [file], nowMs));
  }

  async publish(
    id: number,
    lease: Lease,
    result: OstreeDeltaResult,
    files: readonly OstreeDeltaFile[],
  ): Promise<void> {
    const nowMs = this.#context.clock();
    const change = { ...ended('published', null), ...ostreeResultColumns(result) };
    await this.#updateHeld(id, lease, change, async (tx) => {
      await dropFiles(tx, [id]);
      await nameFiles(tx, id, files, nowMs);
    });
  }

  async reject(id: number, lease: Lease, reason: string, result: OstreeDeltaResult): Promise<void> {
    const change = { ...ended('rejected', reason), ...ostreeResultColumns(result) };
    await this.#updateHeld(id, lease, change, (tx) => dropFiles(tx, [id]));
  }

  async fail(
    id: number,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void> {
    const change: Change = { progress: 0, reason, ...UNCLAIMED };
    if (retryAtMs !== undefined) {
      await this.#updateHeld(id, lease, { ...change, state: 'pending', due_ms: retryAtMs });
    } else {
      await this.#updateHeld(id, lease, { ...change, state: 'failed' }, (tx) =>
        dropFiles(tx, [id]),
      );
    }
  }

  async retire(ids: readonly number[]): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      for (const batch of batches(ids)) {
        await tx
          .updateTable('ostree_deltas')
          .set({ state: 'retired', progress: 0, updated_ms: clock(), ...UNCLAIMED })
          .where('id', 'in', batch)
          .where('state', '<>', 'retired')
          .execute();
      }
    });
  }

  async get(id: number): Promise<OstreeDeltaRow | undefined> {
    const row = await this.#context.db
      .selectFrom('ostree_deltas')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toOstreeDelta(row);
  }

  async list(filter: OstreeDeltaFilter): Promise<readonly OstreeDeltaRow[]> {
    const { repo, ref, from, to, states, after } = filter;
    const rows = await this.#context.db
      .selectFrom('ostree_deltas')
      .selectAll()
      .where((eb) =>
        eb.and([
          ...(repo === undefined ? [] : [eb('repo', '=', repo)]),
          ...(ref === undefined ? [] : [eb('ref', '=', ref)]),
          ...(from === undefined
            ? []
            : [eb('from_checksum', '=', fromColumn(from === 'scratch' ? undefined : from))]),
          ...(to === undefined ? [] : [eb('to_checksum', '=', to)]),
          ...(after === undefined ? [] : [eb('id', '>', after)]),
          ...(states === undefined
            ? []
            : [states.length === 0 ? sql<SqlBool>`1 = 0` : eb('state', 'in', states)]),
        ]),
      )
      .orderBy('id')
      .limit(filter.limit)
      .execute();
    return rows.map(toOstreeDelta);
  }

  async counts(): Promise<Readonly<Record<DeltaState, number>>> {
    const rows = await this.#context.db
      .selectFrom('ostree_deltas')
      .select(['state', sql<number>`count(*)`.as('rows')])
      .groupBy('state')
      .execute();
    const counts = { ...NONE };
    for (const { state, rows: n } of rows) counts[state] = n;
    return counts;
  }

  async coverage(): Promise<readonly DeltaCoverage[]> {
    return this.#context.db
      .selectFrom('ostree_deltas')
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
    change: Change,
    more: (tx: Transaction<Schema>) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('ostree_deltas')
        .set({ updated_ms: clock(), ...change })
        .where('id', '=', id)
        .where('state', 'in', ['building', 'proving'])
        .where('owner', '=', lease.owner)
        .where('fence', '=', lease.fence)
        .executeTakeFirst();
      expectHeld(numUpdatedRows, `static delta ${id}`, lease);
      await more(tx);
    });
  }
}

const NONE: Readonly<Record<DeltaState, number>> = {
  pending: 0,
  building: 0,
  proving: 0,
  published: 0,
  rejected: 0,
  failed: 0,
  retired: 0,
};

function ended(state: 'published' | 'rejected', reason: string | null) {
  return { state, reason, progress: 1, ...UNCLAIMED } as const;
}
