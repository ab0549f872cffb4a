import type { SchemaStatement } from './migration.ts';

/**
 * Since when a manifest has been without a tag at least. What was there before counts as used at the
 * migration: its age is not known, and nothing may go before its time.
 */
export const RETENTION_STATEMENTS: readonly SchemaStatement[] = [
  `alter table manifests add column touched_ms integer not null default 0`,
  {
    sqlite: [`update manifests set touched_ms = cast(unixepoch('subsec') * 1000 as integer)`],
    postgres: [
      `update manifests set touched_ms = cast(extract(epoch from now()) * 1000 as bigint)`,
    ],
  },
];
