import { sql, type Kysely } from 'kysely';

import type { CacheSchema } from './cache-schema.ts';

/** Documents of the registry that are kept; the longest unchecked go first. */
const MAX_DOCUMENTS = 2000;

/** An answer of the origin that may change: a tag list, referrers, the releases. */
export interface CachedDocument {
  readonly etag?: string | undefined;
  /** Headers that go with the body, by lowercase name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** When the origin last confirmed it. */
  readonly checkedMs: number;
}

/**
 * Changing answers by path and query, to be served when who gave them is gone: the origin's paths begin
 * with a slash, those of a registry with its name.
 */
export class CachedDocuments {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  async get(path: string): Promise<CachedDocument | undefined> {
    const row = await this.#db
      .selectFrom('documents')
      .selectAll()
      .where('path', '=', path)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return {
      etag: row.etag ?? undefined,
      headers: JSON.parse(row.headers) as Record<string, string>,
      body: row.body,
      checkedMs: row.checked_ms,
    };
  }

  async put(path: string, document: CachedDocument): Promise<void> {
    const values = {
      path,
      etag: document.etag ?? null,
      headers: JSON.stringify(document.headers),
      body: document.body,
      checked_ms: document.checkedMs,
    };
    await this.#db
      .insertInto('documents')
      .values(values)
      .onConflict((conflict) => conflict.column('path').doUpdateSet(values))
      .execute();
    await sql`delete from documents where path in
        (select path from documents where path not like '/v1/%' order by checked_ms desc limit -1 offset ${MAX_DOCUMENTS})`.execute(
      this.#db,
    );
  }

  /** The origin confirmed that the document is still the same. */
  async confirm(path: string, checkedMs: number): Promise<void> {
    await this.#db
      .updateTable('documents')
      .set({ checked_ms: checkedMs })
      .where('path', '=', path)
      .execute();
  }

  async delete(path: string): Promise<void> {
    await this.#db.deleteFrom('documents').where('path', '=', path).execute();
  }
}
