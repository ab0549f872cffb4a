import { sql, type SqlBool } from 'kysely';

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
import type { SqlContext } from './context.ts';
import { SqlMatrixTable } from './matrix-table.ts';
import { dropFiles, nameFiles, SqlOstreeDeltaFiles } from './ostree-delta-files.ts';
import { ensurePairs } from './ostree-delta-pairs.ts';
import { fromColumn, ostreeResultColumns, toOstreeDelta } from './ostree-delta-rows.ts';

/** The matrix of static deltas and the builders' queue; what is served comes from {@link SqlOstreeDeltaFiles}. */
export class SqlOstreeDeltas extends SqlOstreeDeltaFiles implements OstreeDeltaCatalog {
  readonly #context: SqlContext;
  readonly #matrix: SqlMatrixTable<'ostree_deltas'>;

  constructor(context: SqlContext) {
    super(context);
    this.#context = context;
    this.#matrix = new SqlMatrixTable(context, 'ostree_deltas', 'static delta');
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
    const claim = await this.#matrix.claim(owner, leaseMs);
    return claim && { delta: toOstreeDelta(claim.row), lease: claim.lease };
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

  async keepFile(id: number, lease: Lease, file: OstreeDeltaFile): Promise<void> {
    await this.#matrix.touch(id, lease, (tx, nowMs) => nameFiles(tx, id, [file], nowMs));
  }

  async publish(
    id: number,
    lease: Lease,
    result: OstreeDeltaResult,
    files: readonly OstreeDeltaFile[],
  ): Promise<void> {
    await this.#matrix.end(id, lease, {
      state: 'published',
      reason: null,
      result: ostreeResultColumns(result),
      more: async (tx, nowMs) => {
        await dropFiles(tx, [id]);
        await nameFiles(tx, id, files, nowMs);
      },
    });
  }

  async reject(id: number, lease: Lease, reason: string, result: OstreeDeltaResult): Promise<void> {
    await this.#matrix.end(id, lease, {
      state: 'rejected',
      reason,
      result: ostreeResultColumns(result),
      more: (tx) => dropFiles(tx, [id]),
    });
  }

  async fail(
    id: number,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void> {
    await this.#matrix.fail(id, lease, reason, retryAtMs, (tx) => dropFiles(tx, [id]));
  }

  async retire(ids: readonly number[]): Promise<void> {
    await this.#matrix.retire(ids);
  }

  async get(id: number): Promise<OstreeDeltaRow | undefined> {
    const row = await this.#matrix.get(id);
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
    return this.#matrix.counts();
  }

  async coverage(): Promise<readonly DeltaCoverage[]> {
    return this.#matrix.coverage();
  }
}
