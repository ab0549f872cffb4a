import { sql, type Kysely } from 'kysely';

import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Commits remembered; those seen longest ago go first. */
const MAX_LIVE = 10_000;

/** A commit that a device of the region runs. */
export interface LiveCommit {
  readonly repo: string;
  /** That the device follows. */
  readonly ref: string;
  readonly checksum: OstreeChecksum;
}

/** Which commits are alive in the region, as `LiveVersions` knows it of images. */
export class LiveCommits {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  /** Notes that a device runs the commit; true when it was not known before. */
  async seen({ repo, ref, checksum }: LiveCommit, seenMs: number): Promise<boolean> {
    return this.#db.transaction().execute(async (tx) => {
      const known = await tx
        .selectFrom('ostree_live')
        .select('seen_ms')
        .where('repo', '=', repo)
        .where('ref', '=', ref)
        .where('checksum', '=', checksum)
        .executeTakeFirst();
      await tx
        .insertInto('ostree_live')
        .values({ repo, ref, checksum, seen_ms: seenMs })
        .onConflict((conflict) =>
          conflict.columns(['repo', 'ref', 'checksum']).doUpdateSet({ seen_ms: seenMs }),
        )
        .execute();
      return known === undefined;
    });
  }

  /** Those seen since then, the newest first. */
  async since(sinceMs: number): Promise<readonly LiveCommit[]> {
    return this.#db
      .selectFrom('ostree_live')
      .select(['repo', 'ref', 'checksum'])
      .where('seen_ms', '>=', sinceMs)
      .orderBy('seen_ms', 'desc')
      .limit(MAX_LIVE)
      .execute();
  }

  /** Forgets commits not seen since then, and those past the bound. */
  async prune(sinceMs: number): Promise<void> {
    await this.#db.deleteFrom('ostree_live').where('seen_ms', '<', sinceMs).execute();
    await sql`delete from ostree_live where (repo, ref, checksum) in
        (select repo, ref, checksum from ostree_live
         order by seen_ms desc limit -1 offset ${MAX_LIVE})`.execute(this.#db);
  }
}
