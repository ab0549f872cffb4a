import { sql, type Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Versions remembered; those seen longest ago go first. */
const MAX_LIVE = 10_000;

/** A version that a device of the region runs. */
export interface LiveVersion {
  readonly product: string;
  readonly channel: string;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** The image manifest. */
  readonly current: Digest;
}

/** Which versions are alive in the region: what is worth fetching ahead, and keeping. */
export class LiveVersions {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  /** Notes that a device runs the version; true when it was not known before. */
  async seen(version: LiveVersion, seenMs: number): Promise<boolean> {
    const { product, channel, platform, current } = version;
    return this.#db.transaction().execute(async (tx) => {
      const known = await tx
        .selectFrom('live')
        .select('seen_ms')
        .where('product', '=', product)
        .where('channel', '=', channel)
        .where('platform', '=', platform)
        .where('current', '=', current)
        .executeTakeFirst();
      await tx
        .insertInto('live')
        .values({ product, channel, platform, current, seen_ms: seenMs })
        .onConflict((conflict) =>
          conflict
            .columns(['product', 'channel', 'platform', 'current'])
            .doUpdateSet({ seen_ms: seenMs }),
        )
        .execute();
      return known === undefined;
    });
  }

  /** Those seen since then, the newest first. */
  async since(sinceMs: number): Promise<readonly LiveVersion[]> {
    return this.#db
      .selectFrom('live')
      .select(['product', 'channel', 'platform', 'current'])
      .where('seen_ms', '>=', sinceMs)
      .orderBy('seen_ms', 'desc')
      .limit(MAX_LIVE)
      .execute();
  }

  /** Forgets versions not seen since then, and those past the bound. */
  async prune(sinceMs: number): Promise<void> {
    await this.#db.deleteFrom('live').where('seen_ms', '<', sinceMs).execute();
    await sql`delete from live where (product, channel, platform, current) in
        (select product, channel, platform, current from live
         order by seen_ms desc limit -1 offset ${MAX_LIVE})`.execute(this.#db);
  }
}
