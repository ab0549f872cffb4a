import { sql, type RawBuilder, type Selectable, type Transaction } from 'kysely';

import type { DeltaCoverage, DeltaState } from '../delta-catalog.ts';
import type { Lease } from '../layer-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches, unlessBeingClaimed, type SqlContext } from './context.ts';
import { claimed, expectHeld, UNCLAIMED, isDue, isOver } from './leases.ts';

/** Tables whose rows are cells of a matrix: they have their states, and a lease while they are built. */
type MatrixTable = 'deltas' | 'ostree_deltas';

/** Columns of every such table that change. */
interface MatrixColumns {
  readonly state: DeltaState;
  readonly progress: number;
  readonly due_ms: number;
  readonly lease_until_ms: number | null;
  readonly owner: string | null;
  readonly reason: string | null;
}

/** What a build came to. */
type ResultColumns<T extends MatrixTable> = Partial<
  Omit<Selectable<Schema[T]>, keyof MatrixColumns | 'id' | 'fence' | 'attempts'>
>;

/** More to do in the transaction that changes a row. */
type More = (tx: Transaction<Schema>, nowMs: number) => Promise<void>;

/** A matrix of deltas as a queue for builders; `DeltaCatalog` has the contract. */
export class SqlMatrixTable<T extends MatrixTable> {
  readonly #context: SqlContext;
  readonly #table: RawBuilder<unknown>;
  /** What a row is called. */
  readonly #what: string;

  constructor(context: SqlContext, name: T, what: string) {
    this.#context = context;
    this.#table = sql.table(name);
    this.#what = what;
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly row: Selectable<Schema[T]>; readonly lease: Lease } | undefined> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const { rows } = await sql<Selectable<Schema[T]> & { readonly fence: number }>`
      update ${this.#table} set ${assignments({
        state: 'building',
        attempts: sql`attempts + 1`,
        progress: 0,
        updated_ms: nowMs,
        ...claimed(owner, nowMs + leaseMs),
      })}
        where id = (
          select id from ${this.#table} as free
            where (free.state = 'pending' and ${isDue('free.due_ms', nowMs)})
              or (free.state in ('building', 'proving') and ${isOver('free.lease_until_ms', nowMs, leaseMs)})
            order by free.due_ms, free.id limit 1 ${unlessBeingClaimed(this.#context)}
        )
        returning *`.execute(db);
    const [row] = rows;
    return row && { row, lease: { owner, fence: row.fence } };
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
    await this.#hold(id, lease, { state, progress: fraction, lease_until_ms });
  }

  /** Does more to a row that is held under the lease. */
  async touch(id: number, lease: Lease, more: More): Promise<void> {
    await this.#hold(id, lease, {}, {}, more);
  }

  /** Ends the build with what it came to. */
  async end(
    id: number,
    lease: Lease,
    { state, reason, result, more }: EndedBuild<T>,
  ): Promise<void> {
    await this.#hold(id, lease, { state, reason, progress: 1, ...UNCLAIMED }, result, more);
  }

  /** Gives the row back: for another try when that is due; else for good, and then does more. */
  async fail(
    id: number,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
    more?: More,
  ): Promise<void> {
    const back = { progress: 0, reason, ...UNCLAIMED };
    if (retryAtMs === undefined) {
      await this.#hold(id, lease, { ...back, state: 'failed' }, {}, more);
    } else {
      await this.#hold(id, lease, { ...back, state: 'pending', due_ms: retryAtMs });
    }
  }

  async retire(ids: readonly number[]): Promise<void> {
    const { db, clock } = this.#context;
    const change = { state: 'retired', progress: 0, updated_ms: clock(), ...UNCLAIMED };
    await db.transaction().execute(async (tx) => {
      for (const batch of batches(ids)) {
        await sql`update ${this.#table} set ${assignments(change)}
          where id in (${sql.join(batch)}) and state <> 'retired'`.execute(tx);
      }
    });
  }

  async get(id: number): Promise<Selectable<Schema[T]> | undefined> {
    const { rows } = await sql<
      Selectable<Schema[T]>
    >`select * from ${this.#table} where id = ${id}`.execute(this.#context.db);
    return rows[0];
  }

  async counts(): Promise<Readonly<Record<DeltaState, number>>> {
    const { rows } = await sql<{ readonly state: DeltaState; readonly count: number }>`
      select state, count(*) as count from ${this.#table} group by state`.execute(this.#context.db);
    const counts = { ...NONE };
    for (const { state, count } of rows) counts[state] = count;
    return counts;
  }

  async coverage(): Promise<readonly DeltaCoverage[]> {
    const { rows } = await sql<DeltaCoverage>`
      select repo, count(*) as wanted, sum(case when state in ('published', 'rejected') then 1 else 0 end) as done
        from ${this.#table} where state <> 'retired' group by repo order by repo`.execute(
      this.#context.db,
    );
    return rows;
  }

  /** Changes a row that is held under the lease; `conflict` otherwise, and then nothing is changed. */
  async #hold(
    id: number,
    lease: Lease,
    change: Partial<MatrixColumns>,
    result?: ResultColumns<T>,
    more?: More,
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      const { numAffectedRows = 0n } = await sql`
        update ${this.#table} set ${assignments({ updated_ms: nowMs, ...change, ...result })}
          where id = ${id} and state in ('building', 'proving')
            and owner = ${lease.owner} and fence = ${lease.fence}`.execute(tx);
      expectHeld(numAffectedRows, `${this.#what} ${id}`, lease);
      await more?.(tx, nowMs);
    });
  }
}

interface EndedBuild<T extends MatrixTable> {
  readonly state: 'published' | 'rejected';
  readonly reason: string | null;
  readonly result: ResultColumns<T>;
  readonly more?: More;
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

function assignments(change: Readonly<Record<string, unknown>>): RawBuilder<unknown> {
  return sql.join(
    Object.entries(change).map(([column, value]) => sql`${sql.ref(column)} = ${value}`),
  );
}
