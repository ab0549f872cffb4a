import { sql, type SqlBool } from 'kysely';

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
import { nameStored } from './condemned.ts';
import type { SqlContext } from './context.ts';
import { ensurePairs } from './delta-pairs.ts';
import { resultColumns, toDelta } from './delta-rows.ts';
import { SqlMatrixTable } from './matrix-table.ts';

/** The matrix of deltas; also the builders' queue. */
export class SqlDeltas implements DeltaCatalog {
  readonly #context: SqlContext;
  readonly #matrix: SqlMatrixTable<'deltas'>;

  constructor(context: SqlContext) {
    this.#context = context;
    this.#matrix = new SqlMatrixTable(context, 'deltas', 'delta');
  }

  async ensure(pairs: readonly DeltaPair[], keptSinceMs: number): Promise<number> {
    const { db, clock } = this.#context;
    if (pairs.length === 0) return 0;
    return db.transaction().execute((tx) => ensurePairs(tx, pairs, keptSinceMs, clock()));
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly delta: DeltaRow; readonly lease: Lease } | undefined> {
    const claim = await this.#matrix.claim(owner, leaseMs);
    return claim && { delta: toDelta(claim.row), lease: claim.lease };
  }

  async progress(
    id: number,
    lease: Lease,
    state: 'building' | 'proving',
    progress: number,
    leaseMs: number,
  ): Promise<void> {
    await this.#matrix.progress(id, lease, state, progress, leaseMs);
  }

  async publish(id: number, lease: Lease, result: DeltaResult): Promise<void> {
    await this.#matrix.end(id, lease, {
      state: 'published',
      reason: null,
      result: resultColumns(result),
      more: (tx, nowMs) => nameStored(tx, [{ digest: result.digest }], nowMs),
    });
  }

  async reject(id: number, lease: Lease, reason: string, result: DeltaResult): Promise<void> {
    await this.#matrix.end(id, lease, {
      state: 'rejected',
      reason,
      result: resultColumns(result),
    });
  }

  async fail(
    id: number,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void> {
    await this.#matrix.fail(id, lease, reason, retryAtMs);
  }

  async retire(ids: readonly number[]): Promise<void> {
    await this.#matrix.retire(ids);
  }

  async get(id: number): Promise<DeltaRow | undefined> {
    const row = await this.#matrix.get(id);
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
    return this.#matrix.counts();
  }

  async coverage(): Promise<readonly DeltaCoverage[]> {
    return this.#matrix.coverage();
  }
}
