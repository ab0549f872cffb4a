import { sql, type RawBuilder } from 'kysely';

import { StorageError } from '../../errors.ts';
import type { Lease } from '../layer-catalog.ts';

/** What a claim writes into the row; the fence ascends with each. */
export function claimed(owner: string, leaseUntilMs: number) {
  return { owner, lease_until_ms: leaseUntilMs, fence: sql<number>`fence + 1` } as const;
}

/** What giving a row back writes. */
export const UNCLAIMED = { owner: null, lease_until_ms: null } as const;

/** Clocks of two nodes are not further apart than this, or leases mean nothing. */
export const CLOCK_SKEW_MS = 900_000;

/**
 * Whether a lease is over, where each lasts `leaseMs`. One that lasts far longer was given by a clock that was
 * ahead, and is over too: its holder, if there is one, is fenced off.
 */
export function isOver(column: string, nowMs: number, leaseMs: number): RawBuilder<boolean> {
  const until = sql.ref(column);
  return sql<boolean>`(${until} <= ${nowMs} or ${until} > ${nowMs + leaseMs + CLOCK_SKEW_MS})`;
}

/** Work that failed is tried again much sooner than this. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** Whether a time that work waits for has come; one so far off was told by a clock that was ahead. */
export function isDue(column: string, nowMs: number): RawBuilder<boolean> {
  const due = sql.ref(column);
  return sql<boolean>`(${due} <= ${nowMs} or ${due} > ${nowMs + LONGEST_WAIT_MS})`;
}

/** Throws `conflict` unless the statement that named the lease found its row. */
export function expectHeld(rows: bigint, what: string, lease: Lease): void {
  if (rows > 0n) return;
  throw new StorageError(
    'conflict',
    `${what}: ${lease.owner} no longer holds it under fence ${lease.fence}`,
    { detail: { what, owner: lease.owner, fence: lease.fence } },
  );
}
