import type { Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { Schema } from '../schema.ts';
import { affectedByPack } from './ostree-affected.ts';

/** An index of an index of an index ...: deeper nesting is not followed. */
const MAX_DEPTH = 8;
/** Rows followed per step; a blob that more of them share is reported by these. */
const MAX_WIDTH = 500;

/**
 * What names a blob, directly or through others: tags first, then OSTree's refs, manifests without a tag,
 * deltas, layers.
 */
export async function affectedBy(
  db: Kysely<Schema>,
  digest: Digest,
  limit: number,
): Promise<readonly string[]> {
  const layers = await layersOf(db, digest);
  const manifests = await manifestsOf(db, [digest, ...layers]);
  const all = [...manifests.values()];
  const tagged = await tagsOf(db, all);
  const named = [
    ...tagged,
    ...(await affectedByPack(db, digest, limit)),
    ...(tagged.length > 0 ? [] : all.map((m) => `manifest ${m.repo}@${m.digest}`)),
    ...(await deltasOf(db, digest)),
    ...(await staticDeltasOf(db, digest)),
    ...(await formsOf(db, digest)),
    ...layers.map((layer) => `layer ${layer}`),
  ];
  return named.slice(0, limit);
}

/** Layers that are chunked into that pack or index, or whose zstd:chunked form takes that blob. */
async function layersOf(db: Kysely<Schema>, digest: Digest): Promise<readonly Digest[]> {
  const rows = await db
    .selectFrom('layer_packs')
    .select('layer as digest')
    .where('pack', '=', digest)
    .union(db.selectFrom('layers').select('digest').where('index_digest', '=', digest))
    .union(
      db
        .selectFrom('zstd_chunked_layers')
        .select('layer as digest')
        .where((eb) => eb.or([eb('map_digest', '=', digest), eb('own_digest', '=', digest)])),
    )
    .orderBy('digest')
    .limit(MAX_WIDTH)
    .execute();
  return rows.map((row) => row.digest);
}

interface InRepository {
  readonly repo: string;
  readonly digest: Digest;
}

/** The manifests among the digests, and all that name any of them. */
async function manifestsOf(
  db: Kysely<Schema>,
  digests: readonly Digest[],
): Promise<ReadonlyMap<string, InRepository>> {
  const found = new Map<string, InRepository>();
  const note = (row: InRepository): boolean => {
    const key = `${row.repo}@${row.digest}`;
    if (found.has(key) || found.size >= MAX_WIDTH) return false;
    found.set(key, row);
    return true;
  };
  const own = await db
    .selectFrom('manifests')
    .select(['repo', 'digest'])
    .where('digest', 'in', digests)
    .limit(MAX_WIDTH)
    .execute();
  own.forEach(note);
  let open = digests;
  for (let depth = 0; depth < MAX_DEPTH && open.length > 0; depth += 1) {
    const parents = await db
      .selectFrom('manifest_children')
      .select(['repo', 'parent as digest'])
      .distinct()
      .where('digest', 'in', open)
      .limit(MAX_WIDTH)
      .execute();
    open = parents.filter(note).map((row) => row.digest);
  }
  return found;
}

async function tagsOf(
  db: Kysely<Schema>,
  manifests: readonly InRepository[],
): Promise<readonly string[]> {
  if (manifests.length === 0) return [];
  const keys = new Set(manifests.map(({ repo, digest }) => `${repo}@${digest}`));
  const rows = await db
    .selectFrom('tags')
    .select(['repo', 'name', 'digest'])
    .where(
      'digest',
      'in',
      manifests.map((m) => m.digest),
    )
    .orderBy('repo')
    .orderBy('name')
    .limit(MAX_WIDTH)
    .execute();
  return rows
    .filter(({ repo, digest }) => keys.has(`${repo}@${digest}`))
    .map(({ repo, name }) => `tag ${repo}:${name}`);
}

async function deltasOf(db: Kysely<Schema>, digest: Digest): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('deltas')
    .select(['id', 'repo', 'tag', 'platform'])
    .where('digest', '=', digest)
    .where('state', '=', 'published')
    .orderBy('id')
    .limit(MAX_WIDTH)
    .execute();
  return rows.map(({ id, repo, tag, platform }) => `delta ${id} of ${repo}:${tag} for ${platform}`);
}

async function staticDeltasOf(db: Kysely<Schema>, digest: Digest): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('ostree_delta_files as f')
    .innerJoin('ostree_deltas as d', 'd.id', 'f.delta')
    .select(['d.id', 'd.repo', 'd.ref'])
    .distinct()
    .where('f.digest', '=', digest)
    .where('d.state', '=', 'published')
    .orderBy('d.id')
    .limit(MAX_WIDTH)
    .execute();
  return rows.map(({ id, repo, ref }) => `static delta ${id} of ${repo}:${ref}`);
}

async function formsOf(db: Kysely<Schema>, digest: Digest): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('zstd_chunked_images')
    .select(['repo', 'source'])
    .where('digest', '=', digest)
    .orderBy('repo')
    .orderBy('source')
    .limit(MAX_WIDTH)
    .execute();
  return rows.map(({ repo, source }) => `zstd:chunked form of ${repo}@${source}`);
}
