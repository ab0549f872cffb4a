import type { Generated } from 'kysely';

/** Columns of rows that are claimed under a lease. */
export interface LeaseColumns {
  owner: string | null;
  lease_until_ms: number | null;
  /** How often the row has been claimed. */
  fence: Generated<number>;
}
