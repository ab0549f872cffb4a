import { sql, type Kysely } from 'kysely';

import type { Digest } from '../digest.ts';
import type { CacheSchema } from './cache-schema.ts';

/** Bytes of manifests that are kept; the least recently used go first. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
/** Manifests removed in one step. */
const EVICT_COUNT = 64;
const MAX_TAGS = 100_000;

export interface CachedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** As pushed; their digest was right when they were stored. */
  readonly body: Buffer;
}

export interface CachedTag {
  readonly digest: Digest;
  /** When the origin last said so. */
  readonly checkedMs: number;
}

/** A repository of a registry. */
export interface TaggedRepo {
  /** As `ns=` names it; empty for the origin. */
  readonly registry: string;
  readonly repo: string;
}

/** Manifests by digest, for ever, and where tags last led. */
export class CachedManifests {
  readonly #db: Kysely<CacheSchema>;

  constructor(db: Kysely<CacheSchema>) {
    this.#db = db;
  }

  async get(digest: Digest): Promise<CachedManifest | undefined> {
    const row = await this.#db
      .selectFrom('manifests')
      .select(['digest', 'media_type', 'body'])
      .where('digest', '=', digest)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return { digest: row.digest, mediaType: row.media_type, body: row.body };
  }

  /** Keeps a manifest whose digest was checked, and makes room: never of one in `pinned`. */
  async put(manifest: CachedManifest, usedMs: number, pinned: ReadonlySet<Digest>): Promise<void> {
    const { digest, mediaType, body } = manifest;
    await this.#db
      .insertInto('manifests')
      .values({ digest, media_type: mediaType, body, used_ms: usedMs })
      .onConflict((conflict) => conflict.column('digest').doUpdateSet({ used_ms: usedMs }))
      .execute();
    await this.#evict(new Set([...pinned, digest]));
  }

  async delete(digest: Digest): Promise<void> {
    await this.#db.deleteFrom('manifests').where('digest', '=', digest).execute();
  }

  async getTag({ registry, repo }: TaggedRepo, tag: string): Promise<CachedTag | undefined> {
    const row = await this.#db
      .selectFrom('tags')
      .select(['digest', 'checked_ms'])
      .where('registry', '=', registry)
      .where('repo', '=', repo)
      .where('tag', '=', tag)
      .executeTakeFirst();
    return row === undefined ? undefined : { digest: row.digest, checkedMs: row.checked_ms };
  }

  async putTag(
    { registry, repo }: TaggedRepo,
    tag: string,
    { digest, checkedMs }: CachedTag,
  ): Promise<void> {
    await this.#db
      .insertInto('tags')
      .values({ registry, repo, tag, digest, checked_ms: checkedMs })
      .onConflict((conflict) =>
        conflict
          .columns(['registry', 'repo', 'tag'])
          .doUpdateSet({ digest, checked_ms: checkedMs }),
      )
      .execute();
    await sql`delete from tags where (registry, repo, tag) in
        (select registry, repo, tag from tags order by checked_ms desc limit -1 offset ${MAX_TAGS})`.execute(
      this.#db,
    );
  }

  /** How many of these are here. */
  async count(digests: readonly Digest[]): Promise<number> {
    const { count } = await this.#db
      .selectFrom('manifests')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('digest', 'in', digests)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** Where the tags last led that registries were asked for since then, the latest first; `limit` at most. */
  async taggedSince(sinceMs: number, limit: number): Promise<readonly Digest[]> {
    const rows = await this.#db
      .selectFrom('tags')
      .select('digest')
      .where('checked_ms', '>=', sinceMs)
      .orderBy('checked_ms', 'desc')
      .limit(limit)
      .execute();
    return [...new Set(rows.map(({ digest }) => digest))];
  }

  async deleteTag({ registry, repo }: TaggedRepo, tag: string): Promise<void> {
    await this.#db
      .deleteFrom('tags')
      .where('registry', '=', registry)
      .where('repo', '=', repo)
      .where('tag', '=', tag)
      .execute();
  }

  async #evict(keep: ReadonlySet<Digest>): Promise<void> {
    const { rows } = await sql<{ bytes: number | null }>`
        select sum(length(body)) as bytes from manifests`.execute(this.#db);
    if ((rows[0]?.bytes ?? 0) <= MAX_MANIFEST_BYTES) return;
    const oldest = await this.#db
      .selectFrom('manifests')
      .select('digest')
      .orderBy('used_ms')
      .limit(EVICT_COUNT + keep.size)
      .execute();
    const victims = oldest.map(({ digest }) => digest).filter((digest) => !keep.has(digest));
    if (victims.length === 0) return;
    await this.#db
      .deleteFrom('manifests')
      .where('digest', 'in', victims.slice(0, EVICT_COUNT))
      .execute();
  }
}
