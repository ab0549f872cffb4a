import { sql, type Kysely, type RawBuilder } from 'kysely';

import type { Clock } from '../../clock.ts';
import type { Schema } from '../schema.ts';

/** What every part of the catalog works with. */
export interface SqlContext {
  readonly db: Kysely<Schema>;
  readonly clock: Clock;
  readonly engine: 'sqlite' | 'postgres';
}

/**
 * Ends a subquery that picks a row to claim: on PostgreSQL writers pass over what another is just claiming;
 * on SQLite there is one writer at a time.
 */
export function unlessBeingClaimed({ engine }: SqlContext): RawBuilder<unknown> {
  return engine === 'postgres' ? sql`for update skip locked` : sql``;
}

/** Digests or rows in one statement; well below SQLite's 32766 and PostgreSQL's 65535 parameters. */
const BATCH = 500;

/** Cuts a list so that each piece fits one statement. */
export function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH) {
    yield items.slice(start, start + BATCH);
  }
}
