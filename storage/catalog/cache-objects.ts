import type { Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Parameters of one statement. */
const ASKED_AT_ONCE = 500;

export interface CachedObject {
  readonly digest: Digest;
  /** Bytes of the whole blob. */
  readonly size: number;
  /** Bytes on disk when the blob was last at rest. */
  readonly bytes: number;
  /** True once the whole blob's digest was right. */
  readonly complete: boolean;
}

/** What is known of the sparse files of blobs: sizes, and who was used last. */
export class CachedObjects {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  async get(digest: Digest): Promise<CachedObject | undefined> {
    const row = await this.#db
      .selectFrom('objects')
      .select(['digest', 'size', 'bytes', 'complete'])
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row === undefined ? undefined : { ...row, complete: row.complete === 1 };
  }

  /** Writes what a blob has now. */
  async put(object: CachedObject, usedMs: number): Promise<void> {
    const values = { ...object, complete: object.complete ? 1 : 0, used_ms: usedMs };
    await this.#db
      .insertInto('objects')
      .values(values)
      .onConflict((conflict) => conflict.column('digest').doUpdateSet(values))
      .execute();
  }

  /** Corrects what a blob takes on disk. */
  async measure(digest: Digest, bytes: number): Promise<void> {
    await this.#db.updateTable('objects').set({ bytes }).where('digest', '=', digest).execute();
  }

  /** Notes when blobs were last used, in one transaction. */
  async touch(used: ReadonlyMap<Digest, number>): Promise<void> {
    if (used.size === 0) return;
    await this.#db.transaction().execute(async (tx) => {
      for (const [digest, usedMs] of used) {
        await tx
          .updateTable('objects')
          .set({ used_ms: usedMs })
          .where('digest', '=', digest)
          .execute();
      }
    });
  }

  async delete(digest: Digest): Promise<void> {
    await this.#db.deleteFrom('objects').where('digest', '=', digest).execute();
  }

  /** A page of all blobs, least recently used first. */
  async leastRecent(limit: number, offset: number): Promise<readonly CachedObject[]> {
    const rows = await this.#db
      .selectFrom('objects')
      .select(['digest', 'size', 'bytes', 'complete'])
      .orderBy('used_ms')
      .orderBy('digest')
      .limit(limit)
      .offset(offset)
      .execute();
    return rows.map((row) => ({ ...row, complete: row.complete === 1 }));
  }

  /** Which of the digests are whole. */
  async complete(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const found = new Set<Digest>();
    for (let first = 0; first < digests.length; first += ASKED_AT_ONCE) {
      const rows = await this.#db
        .selectFrom('objects')
        .select('digest')
        .where('digest', 'in', digests.slice(first, first + ASKED_AT_ONCE))
        .where('complete', '=', 1)
        .execute();
      for (const { digest } of rows) found.add(digest);
    }
    return found;
  }

  /** Of at most 500 digests those that have a row. */
  async known(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const rows = await this.#db
      .selectFrom('objects')
      .select('digest')
      .where('digest', 'in', digests)
      .execute();
    return new Set(rows.map(({ digest }) => digest));
  }

  /** Of those blobs, which are here at all, and how many bytes of each were when it was last at rest. */
  async present(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>> {
    const present = new Map<Digest, number>();
    for (let at = 0; at < digests.length; at += ASKED_AT_ONCE) {
      const rows = await this.#db
        .selectFrom('objects')
        .select(['digest', 'bytes'])
        .where('digest', 'in', digests.slice(at, at + ASKED_AT_ONCE))
        .execute();
      for (const { digest, bytes } of rows) present.set(digest, bytes);
    }
    return present;
  }

  /** A page of all blobs by digest, of those after `last`; reading on costs no more than the first. */
  async page(last: Digest | undefined, limit: number): Promise<readonly CachedObject[]> {
    const rows = await this.#db
      .selectFrom('objects')
      .select(['digest', 'size', 'bytes', 'complete'])
      .where('digest', '>', last ?? ('' as Digest))
      .orderBy('digest')
      .limit(limit)
      .execute();
    return rows.map((row) => ({ ...row, complete: row.complete === 1 }));
  }

  /** Of all blobs; kept as they change, so that asking costs nothing however many there are. */
  async totals(): Promise<{
    readonly count: number;
    readonly completeCount: number;
    readonly bytes: number;
  }> {
    return this.#db
      .selectFrom('object_totals')
      .select(['count', 'complete_count as completeCount', 'bytes'])
      .executeTakeFirstOrThrow();
  }
}
