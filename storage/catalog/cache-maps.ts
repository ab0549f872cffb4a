import type { Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import { parseSparseOwner, type SparseOwner } from '../keys.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Which blocks of blobs are in a bucket (`sparse/block-map.ts`), of a cache that keeps them there. */
export class CachedMaps {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  /** What this cache's keys begin with: another cache over the same bucket has another. */
  async owner(): Promise<SparseOwner> {
    const { owner } = await this.#db
      .selectFrom('sparse_owner')
      .select('owner')
      .executeTakeFirstOrThrow();
    return parseSparseOwner(owner);
  }

  async get(digest: Digest): Promise<Buffer | undefined> {
    const row = await this.#db
      .selectFrom('block_maps')
      .select('map')
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row?.map;
  }

  async put(digest: Digest, map: Buffer): Promise<void> {
    await this.#db
      .insertInto('block_maps')
      .values({ digest, map })
      .onConflict((conflict) => conflict.column('digest').doUpdateSet({ map }))
      .execute();
  }

  async delete(digest: Digest): Promise<void> {
    await this.#db.deleteFrom('block_maps').where('digest', '=', digest).execute();
  }
}
