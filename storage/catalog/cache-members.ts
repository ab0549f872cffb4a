import { sql, type Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Rows that are kept of what is not here any more; the longest unconfirmed go first. */
const MAX_MEMBERS = 500_000;
/** The bound is enforced once in so many writes. */
const ENFORCE_EVERY = 1000;

/** A blob or a manifest in a repository. */
export interface Member {
  /** As `ns=` names it. */
  readonly registry: string;
  readonly repo: string;
  readonly digest: Digest;
}

/**
 * Which repositories have what came from registries beside the origin. Blobs lie here by digest alone;
 * this keeps one registry's from those who ask for another's. What has no row is the origin's.
 */
export class CachedMembers {
  readonly #db: Kysely<CacheSchema>;
  readonly #max: number;
  #writes = 0;

  constructor(db: Kysely<CacheSchema>, max = MAX_MEMBERS) {
    this.#db = db;
    this.#max = max;
  }

  /** True if the registry's last word was that the repository has it. */
  async has({ registry, repo, digest }: Member): Promise<boolean> {
    const row = await this.#db
      .selectFrom('members')
      .select('checked_ms')
      .where('digest', '=', digest)
      .where('registry', '=', registry)
      .where('repo', '=', repo)
      .executeTakeFirst();
    return (row?.checked_ms ?? 0) > 0;
  }

  /** The registry said that the repository has it. Call before any of its bytes are kept. */
  async put({ registry, repo, digest }: Member, checkedMs: number): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      // What lies here without a row came from the origin: that it goes on to have it stays known.
      await sql`insert into members (digest, registry, repo, checked_ms)
          select ${digest}, '', '', ${checkedMs}
          where not exists (select 1 from members where digest = ${digest})
            and (exists (select 1 from objects where digest = ${digest})
              or exists (select 1 from manifests where digest = ${digest}))`.execute(tx);
      await tx
        .insertInto('members')
        .values({ digest, registry, repo, checked_ms: checkedMs })
        .onConflict((conflict) =>
          conflict.columns(['digest', 'registry', 'repo']).doUpdateSet({ checked_ms: checkedMs }),
        )
        .execute();
    });
    this.#writes += 1;
    if (this.#writes % ENFORCE_EVERY === 0) await this.enforce();
  }

  /** The origin has it too. */
  async putOrigin(digest: Digest, checkedMs: number): Promise<void> {
    await this.put({ registry: '', repo: '', digest }, checkedMs);
  }

  /** The registry said that the repository does not have it. The row stays: it says whose the bytes are. */
  async revoke({ registry, repo, digest }: Member): Promise<void> {
    await this.#db
      .updateTable('members')
      .set({ checked_ms: 0 })
      .where('digest', '=', digest)
      .where('registry', '=', registry)
      .where('repo', '=', repo)
      .execute();
  }

  /** True for what came from other registries, and of which the origin never said that it has it. */
  async isForeign(digest: Digest): Promise<boolean> {
    const rows = await this.#db
      .selectFrom('members')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        fn.sum<number | null>(sql<number>`registry = ''`).as('origin'),
      ])
      .where('digest', '=', digest)
      .executeTakeFirstOrThrow();
    return rows.count > 0 && (rows.origin ?? 0) === 0;
  }

  /** True if anything ever came from another registry. */
  async any(): Promise<boolean> {
    const row = await this.#db.selectFrom('members').select('digest').limit(1).executeTakeFirst();
    return row !== undefined;
  }

  /** Forgets rows past the bound, but none of what is here. */
  async enforce(): Promise<void> {
    await sql`delete from members where (digest, registry, repo) in
        (select digest, registry, repo from members order by checked_ms desc
         limit -1 offset ${this.#max})
        and digest not in (select digest from objects)
        and digest not in (select digest from manifests)`.execute(this.#db);
  }
}
