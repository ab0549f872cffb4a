import type { Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName, Tag } from '../../names.ts';
import type { RetentionFacts } from '../retention-catalog.ts';
import type { Schema } from '../schema.ts';

/** What devices seen since then run and follow, were told to install, or may be rolled back to. */
export async function fleetOf(
  db: Kysely<Schema>,
  repo: RepoName,
  liveSinceMs: number,
): Promise<Pick<RetentionFacts, 'running' | 'followed' | 'decided'>> {
  const live = db
    .selectFrom('devices')
    .where('kind', '=', 'oci')
    .where('product', '=', repo)
    .where('seen_ms', '>=', liveSinceMs);
  const running = await live
    .select('current as digest')
    .distinct()
    .where('current', 'is not', null)
    .$narrowType<{ digest: Digest }>()
    .execute();
  const followed = await live
    .select('channel')
    .distinct()
    .$narrowType<{ channel: Tag }>()
    .execute();
  return {
    running: running.map(({ digest }) => digest),
    followed: followed.map(({ channel }) => channel),
    decided: await decidedOf(db, repo, liveSinceMs),
  };
}

/** Both ends of decisions made since then, and of those by which live devices came to what they run. */
export async function decidedOf(
  db: Kysely<Schema>,
  repo: RepoName,
  liveSinceMs: number,
): Promise<readonly Digest[]> {
  const rows = await db
    .selectFrom('decisions as c')
    .select(['c.from_digest', 'c.to_digest'])
    .distinct()
    .where('c.kind', '=', 'oci')
    .where('c.product', '=', repo)
    .where((eb) =>
      eb.or([
        eb('c.created_ms', '>=', liveSinceMs),
        eb.exists(
          eb
            .selectFrom('devices as d')
            .select('d.id')
            .whereRef('d.id', '=', 'c.device_id')
            .whereRef('d.kind', '=', 'c.kind')
            .whereRef('d.current', '=', 'c.to_digest')
            .where('d.seen_ms', '>=', liveSinceMs),
        ),
      ]),
    )
    .$narrowType<{ from_digest: Digest | null; to_digest: Digest }>()
    .execute();
  return rows.flatMap(({ from_digest, to_digest }) =>
    from_digest === null ? [to_digest] : [from_digest, to_digest],
  );
}

/** Targets of deltas that are offered, and both ends of those that are being built. */
export async function offeredOf(db: Kysely<Schema>, repo: RepoName): Promise<readonly Digest[]> {
  const rows = await db
    .selectFrom('deltas')
    .select(['from_digest', 'to_digest', 'state'])
    .distinct()
    .where('repo', '=', repo)
    .where('state', 'in', ['pending', 'building', 'proving', 'published'])
    .execute();
  return rows.flatMap(({ from_digest, to_digest, state }) =>
    state === 'published' ? [to_digest] : [from_digest, to_digest],
  );
}
