import type { SchemaStatement } from './migration.ts';

/** Where PostgreSQL tells every process of removals, once a transaction, when it is committed. */
export const REMOVAL_CHANNEL = 'rivulet_removals';

/** What PostgreSQL's triggers call. */
export const REMOVAL_FUNCTION = `create function rivulet_removed() returns trigger language plpgsql as $$
  begin perform pg_notify('${REMOVAL_CHANNEL}', ''); return null; end $$`;

/** A trigger after which `Catalog.removalEpoch` is another number in every process. */
export function tellsRemovals(
  name: string,
  event: 'delete' | 'insert' | 'update',
  table: string,
): SchemaStatement {
  return {
    sqlite: [
      `create trigger ${name} after ${event} on ${table}
        begin update removals set epoch = epoch + 1 where id = 1; end`,
    ],
    postgres: [
      `create trigger ${name} after ${event} on ${table}
        for each row execute function rivulet_removed()`,
    ],
  };
}
