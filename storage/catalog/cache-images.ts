import { sql, type Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Images remembered; those seen longest ago go first. */
const MAX_IMAGES = 10_000;

/** A layer of an image, and where its chunks are told, if it is chunked. */
export interface ImageLayer {
  readonly diffId: Digest;
  readonly index?: { readonly digest: Digest; readonly size: number } | undefined;
}

/** Which layers images are made of, by the digest of their manifest. */
export class CachedImages {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  /** Remembers images; what is known of one is replaced. */
  async put(images: ReadonlyMap<Digest, readonly ImageLayer[]>, seenMs: number): Promise<void> {
    if (images.size === 0) return;
    await this.#db.transaction().execute(async (tx) => {
      for (const [manifest, layers] of images) {
        const values = { manifest, layers: JSON.stringify(layers), seen_ms: seenMs };
        await tx
          .insertInto('images')
          .values(values)
          .onConflict((conflict) => conflict.column('manifest').doUpdateSet(values))
          .execute();
      }
      await sql`delete from images where manifest in
          (select manifest from images order by seen_ms desc limit -1 offset ${MAX_IMAGES})`.execute(
        tx,
      );
    });
  }

  async get(manifest: Digest): Promise<readonly ImageLayer[] | undefined> {
    const row = await this.#db
      .selectFrom('images')
      .select('layers')
      .where('manifest', '=', manifest)
      .executeTakeFirst();
    return row === undefined ? undefined : (JSON.parse(row.layers) as readonly ImageLayer[]);
  }
}
