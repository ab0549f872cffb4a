import type { Lease } from '../layer-catalog.ts';
import type { SqlContext } from './context.ts';
import { CLOCK_SKEW_MS, claimed, expectHeld, isOver, UNCLAIMED } from './leases.ts';

const ONE = 1;

/** As `GcCatalog.lastRunMs`. */
export async function lastRunMs({ db }: SqlContext): Promise<number | undefined> {
  const row = await db
    .selectFrom('gc_runs')
    .select('ended_ms')
    .where('id', '=', ONE)
    .executeTakeFirst();
  return row === undefined || row.ended_ms === 0 ? undefined : row.ended_ms;
}

/** As `GcCatalog.beginRun`. */
export async function beginRun(
  { db, clock }: SqlContext,
  owner: string,
  { everyMs, leaseMs }: { readonly everyMs: number; readonly leaseMs: number },
): Promise<Lease | undefined> {
  const nowMs = clock();
  await db
    .insertInto('gc_runs')
    .values({ id: ONE, ended_ms: 0 })
    .onConflict((oc) => oc.column('id').doNothing())
    .execute();
  // One statement: of two at once the second sees what the first has written.
  const row = await db
    .updateTable('gc_runs')
    .set(claimed(owner, nowMs + leaseMs))
    .where('id', '=', ONE)
    .where((eb) =>
      eb.or([eb('ended_ms', '<=', nowMs - everyMs), eb('ended_ms', '>', nowMs + CLOCK_SKEW_MS)]),
    )
    .where((eb) => eb.or([eb('owner', 'is', null), isOver('lease_until_ms', nowMs, leaseMs)]))
    .returning('fence')
    .executeTakeFirst();
  return row && { owner, fence: row.fence };
}

/** As `GcCatalog.renewRun`. */
export async function renewRun(context: SqlContext, lease: Lease, leaseMs: number): Promise<void> {
  await updateHeld(context, lease, { lease_until_ms: context.clock() + leaseMs });
}

/** As `GcCatalog.endRun`. */
export async function endRun(context: SqlContext, lease: Lease, done: boolean): Promise<void> {
  const ended = done ? { ended_ms: context.clock() } : {};
  await updateHeld(context, lease, { ...ended, ...UNCLAIMED });
}

async function updateHeld(
  { db }: SqlContext,
  lease: Lease,
  values: { readonly ended_ms?: number; readonly lease_until_ms: number | null },
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('gc_runs')
    .set(values)
    .where('id', '=', ONE)
    .where('owner', '=', lease.owner)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  expectHeld(numUpdatedRows, 'garbage collection', lease);
}
