import type { Kysely } from 'kysely';

import type { Clock } from '../../clock.ts';
import type { Schema } from '../schema.ts';

/** What every part of the catalog works with. */
export interface SqlContext {
  readonly db: Kysely<Schema>;
  readonly clock: Clock;
}

/** Digests or rows in one statement; well below SQLite's 32766 and PostgreSQL's 65535 parameters. */
const BATCH = 500;

/** Cuts a list so that each piece fits one statement. */
export function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH) {
    yield items.slice(start, start + BATCH);
  }
}
