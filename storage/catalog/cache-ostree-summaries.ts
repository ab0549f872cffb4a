import { sql, type Kysely } from 'kysely';

import type { CacheSchema } from './cache-schema.ts';

/** Summaries that are kept, and their bytes; the longest unconfirmed go first. */
const MAX_SUMMARIES = 4096;
const MAX_BYTES = 256 * 1024 * 1024;

/** A summary and its signatures, which were read together. */
export interface CachedOstreeSummary {
  /** Undefined: the origin has no such repository. */
  readonly summary: Buffer | undefined;
  /** Undefined: nobody signs it. */
  readonly signatures: Buffer | undefined;
  /** The origin's `Last-Modified`, milliseconds since the epoch. */
  readonly modifiedMs: number | undefined;
  /** When the origin last said so. */
  readonly checkedMs: number;
}

/** The summaries of repositories, each with its own signatures: one row, so that they can't be mixed. */
export class CachedOstreeSummaries {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  async get(repo: string): Promise<CachedOstreeSummary | undefined> {
    const row = await this.#db
      .selectFrom('ostree_summaries')
      .selectAll()
      .where('repo', '=', repo)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return {
      summary: row.summary ?? undefined,
      signatures: row.signatures ?? undefined,
      modifiedMs: row.modified_ms ?? undefined,
      checkedMs: row.checked_ms,
    };
  }

  async put(repo: string, pair: CachedOstreeSummary): Promise<void> {
    const values = {
      repo,
      summary: pair.summary ?? null,
      signatures: pair.signatures ?? null,
      modified_ms: pair.modifiedMs ?? null,
      checked_ms: pair.checkedMs,
    };
    await this.#db
      .insertInto('ostree_summaries')
      .values(values)
      .onConflict((conflict) => conflict.column('repo').doUpdateSet(values))
      .execute();
    await sql`delete from ostree_summaries where repo in (
        select repo from (
          select repo, row_number() over newest as position,
            sum(ifnull(length(summary), 0) + ifnull(length(signatures), 0)) over newest as bytes
          from ostree_summaries window newest as (order by checked_ms desc, repo)
        ) where position > ${MAX_SUMMARIES} or (bytes > ${MAX_BYTES} and position > 1)
      )`.execute(this.#db);
  }

  /** The origin confirmed that both are still the same. */
  async confirm(repo: string, checkedMs: number): Promise<void> {
    await this.#db
      .updateTable('ostree_summaries')
      .set({ checked_ms: checkedMs })
      .where('repo', '=', repo)
      .execute();
  }
}
