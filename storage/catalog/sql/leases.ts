import { sql } from 'kysely';

import { StorageError } from '../../errors.ts';
import type { Lease } from '../layer-catalog.ts';

/** What a claim writes into the row; the fence ascends with each. */
export function claimed(owner: string, leaseUntilMs: number) {
  return { owner, lease_until_ms: leaseUntilMs, fence: sql<number>`fence + 1` } as const;
}

/** What giving a row back writes. */
export const UNCLAIMED = { owner: null, lease_until_ms: null } as const;

/** Throws `conflict` unless the statement that named the lease found its row. */
export function expectHeld(rows: bigint, what: string, lease: Lease): void {
  if (rows > 0n) return;
  throw new StorageError(
    'conflict',
    `${what}: ${lease.owner} no longer holds it under fence ${lease.fence}`,
    { detail: { what, owner: lease.owner, fence: lease.fence } },
  );
}
