import { sql, type Kysely } from 'kysely';

import type { CacheSchema } from './cache-schema.ts';

/** Files that are remembered, and their bytes; past it those that do not exist go first, then the oldest. */
const MAX_DOCUMENTS = 20_000;
const MAX_BYTES = 256 * 1024 * 1024;
/** What is left of the bounds when they are enforced, so that this is rare. */
const KEPT_SHARE = 0.9;

/** A file of an OSTree repository that may change, as the origin last gave it. */
export interface CachedOstreeDocument {
  /** Undefined: the origin has no such file. */
  readonly body: Buffer | undefined;
  readonly mediaType?: string | undefined;
  /** The origin's `Last-Modified`, milliseconds since the epoch. */
  readonly modifiedMs?: number | undefined;
  /** When the origin last said so. */
  readonly checkedMs: number;
}

/** Files that may change by `{repo}/{path inside}`, to be served when the origin is gone. */
export class CachedOstreeDocuments {
  readonly #db: Kysely<CacheSchema>;
  readonly #bounds: { readonly count: number; readonly bytes: number };

  constructor(
    db: Kysely<CacheSchema>,
    bounds: { readonly count: number; readonly bytes: number } = {
      count: MAX_DOCUMENTS,
      bytes: MAX_BYTES,
    },
  ) {
    this.#db = db;
    this.#bounds = bounds;
  }

  async get(path: string): Promise<CachedOstreeDocument | undefined> {
    const row = await this.#db
      .selectFrom('ostree_documents')
      .selectAll()
      .where('path', '=', path)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return {
      body: row.body ?? undefined,
      mediaType: row.media_type ?? undefined,
      modifiedMs: row.modified_ms ?? undefined,
      checkedMs: row.checked_ms,
    };
  }

  async put(path: string, document: CachedOstreeDocument): Promise<void> {
    const { body, mediaType, modifiedMs, checkedMs } = document;
    const values = {
      path,
      body: body ?? null,
      media_type: mediaType ?? null,
      modified_ms: modifiedMs ?? null,
      kept_bytes: body?.length ?? 0,
      checked_ms: checkedMs,
    };
    await this.#db
      .insertInto('ostree_documents')
      .values(values)
      .onConflict((conflict) => conflict.column('path').doUpdateSet(values))
      .execute();
    await this.#enforce();
  }

  /** The origin confirmed that the file is still the same. */
  async confirm(path: string, checkedMs: number): Promise<void> {
    await this.#db
      .updateTable('ostree_documents')
      .set({ checked_ms: checkedMs })
      .where('path', '=', path)
      .execute();
  }

  async #enforce(): Promise<void> {
    const { count, bytes } = this.#bounds;
    const held = await this.#db
      .selectFrom('ostree_documents')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        fn.sum<number | null>('kept_bytes').as('bytes'),
      ])
      .executeTakeFirstOrThrow();
    if (held.count <= count && (held.bytes ?? 0) <= bytes) return;
    await sql`delete from ostree_documents where path in (
        select path from (
          select path, row_number() over newest as position, sum(kept_bytes) over newest as bytes
          from ostree_documents window newest as (order by body is null, checked_ms desc, path)
        ) where position > ${Math.floor(count * KEPT_SHARE)}
          or (bytes > ${bytes * KEPT_SHARE} and position > 1)
      )`.execute(this.#db);
  }
}
