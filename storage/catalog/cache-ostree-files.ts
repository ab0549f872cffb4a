import { sql, type Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** A file of an OSTree repository that never changes: an object, or a part of a static delta. */
export interface CachedOstreeFile {
  /** `{repo}/{path inside}`. */
  readonly path: string;
  /** Of its bytes; a `.filez` has another checksum in its name. */
  readonly digest: Digest;
  readonly size: number;
  /** The file itself when it is small; a larger one is a blob of that digest. */
  readonly body: Buffer | undefined;
  readonly usedMs: number;
}

/** What is known of files that never change, and the small ones themselves. */
export class CachedOstreeFiles {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  async get(path: string): Promise<CachedOstreeFile | undefined> {
    const row = await this.#db
      .selectFrom('ostree_files')
      .select(['digest', 'size', 'body', 'used_ms'])
      .where('path', '=', path)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { digest, size, body, used_ms: usedMs } = row;
    return { path, digest, size, body: body ?? undefined, usedMs };
  }

  /** Writes files, and when others were used, in one transaction. */
  async write(files: Iterable<CachedOstreeFile>, used: ReadonlyMap<string, number>): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      for (const { path, digest, size, body = null, usedMs } of files) {
        const values = { path, digest, size, body, kept_bytes: body?.length ?? 0, used_ms: usedMs };
        await tx
          .insertInto('ostree_files')
          .values(values)
          .onConflict((conflict) => conflict.column('path').doUpdateSet(values))
          .execute();
      }
      for (const [path, usedMs] of used) {
        await tx
          .updateTable('ostree_files')
          .set({ used_ms: usedMs })
          .where('path', '=', path)
          .execute();
      }
    });
  }

  /** False when it was not there. */
  async delete(path: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('ostree_files')
      .where('path', '=', path)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Removes so many files, the least recently used. */
  async deleteOldest(count: number): Promise<void> {
    await sql`delete from ostree_files where path in
        (select path from ostree_files order by used_ms, path limit ${count})`.execute(this.#db);
  }

  /** How many files are known, and the bytes of those that are kept here. */
  async totals(): Promise<{ readonly count: number; readonly bytes: number }> {
    const row = await this.#db
      .selectFrom('ostree_files')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        fn.sum<number | null>('kept_bytes').as('bytes'),
      ])
      .executeTakeFirstOrThrow();
    return { count: row.count, bytes: row.bytes ?? 0 };
  }
}
