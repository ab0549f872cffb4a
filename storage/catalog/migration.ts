/** A numbered, forward-only schema step; `version` ascends by one from 1. */
export interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

/**
 * A statement of a step for every engine: SQLite's words, which `postgres/ddl.ts` turns into PostgreSQL's,
 * or one list for each where that can't be (triggers).
 */
export type SchemaStatement =
  string | { readonly sqlite: readonly string[]; readonly postgres: readonly string[] };

/** A {@link Migration} for every engine. */
export interface CatalogStep {
  readonly version: number;
  readonly statements: readonly SchemaStatement[];
}
