import type { Kysely } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { GcCutoff } from '../gc-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';
import { isLiveLayer, isRecentLink } from './gc-live.ts';
import { lastingPacksOf } from './ostree-live.ts';

/** Finds those of the digests that one kind of row reaches. */
type Root = (
  db: Kysely<Schema>,
  digests: readonly Digest[],
  cutoff: GcCutoff,
) => Promise<readonly { readonly digest: Digest }[]>;

const manifests: Root = (db, digests) =>
  db.selectFrom('manifests').select('digest').where('digest', 'in', digests).execute();

const children: Root = (db, digests) =>
  db.selectFrom('manifest_children').select('digest').where('digest', 'in', digests).execute();

const links: Root = (db, digests) =>
  db.selectFrom('repo_blobs').select('digest').where('digest', 'in', digests).execute();

const recentLinks: Root = (db, digests, cutoff) =>
  db
    .selectFrom('repo_blobs')
    .select('digest')
    .where('digest', 'in', digests)
    .where((eb) => isRecentLink(eb, cutoff))
    .execute();

/** A row that changed lately may have been published until then; devices still fetch its delta. */
const deltas: Root = (db, digests, cutoff) =>
  db
    .selectFrom('deltas')
    .select('digest')
    .where('digest', 'in', digests)
    .where((eb) =>
      eb.or([eb('state', '=', 'published'), eb('updated_ms', '>', cutoff.retiredBeforeMs)]),
    )
    .$narrowType<{ digest: Digest }>()
    .execute();

/** The same for the files of a static delta; a row changes lately while it is built, too. */
const ostreeDeltaFiles: Root = (db, digests, cutoff) =>
  db
    .selectFrom('ostree_delta_files as f')
    .innerJoin('ostree_deltas as d', 'd.id', 'f.delta')
    .select('f.digest')
    .where('f.digest', 'in', digests)
    .where((eb) =>
      eb.or([
        eb('d.state', 'in', ['building', 'proving', 'published']),
        eb('d.updated_ms', '>', cutoff.retiredBeforeMs),
      ]),
    )
    .execute();

const layers: Root = (db, digests) =>
  db.selectFrom('layers').select('digest').where('digest', 'in', digests).execute();

const indexes: Root = (db, digests) =>
  db
    .selectFrom('layers')
    .select('index_digest as digest')
    .where('index_digest', 'in', digests)
    .$narrowType<{ digest: Digest }>()
    .execute();

const packs: Root = (db, digests) =>
  db.selectFrom('packs').select('digest').where('digest', 'in', digests).execute();

const liveLayers: Root = (db, digests, cutoff) =>
  db
    .selectFrom('layers')
    .select('layers.digest')
    .where('layers.digest', 'in', digests)
    .where((eb) => isLiveLayer(eb, cutoff))
    .execute();

const liveIndexes: Root = (db, digests, cutoff) =>
  db
    .selectFrom('layers')
    .select('layers.index_digest as digest')
    .where('layers.index_digest', 'in', digests)
    .where((eb) => isLiveLayer(eb, cutoff))
    .$narrowType<{ digest: Digest }>()
    .execute();

const livePacks: Root = (db, digests, cutoff) =>
  db
    .selectFrom('layers')
    .innerJoin('layer_packs as p', 'p.layer', 'layers.digest')
    .select('p.pack as digest')
    .where('p.pack', 'in', digests)
    .where((eb) => isLiveLayer(eb, cutoff))
    .execute();

const zstdChunkedImages: Root = (db, digests) =>
  db
    .selectFrom('zstd_chunked_images')
    .select('digest')
    .where('digest', 'in', digests)
    .$narrowType<{ digest: Digest }>()
    .execute();

/** What a layer's zstd:chunked form takes beside the layer's packs. */
const formsOf = (
  db: Kysely<Schema>,
  column: 'map_digest' | 'own_digest',
  digests: readonly Digest[],
) =>
  db
    .selectFrom('zstd_chunked_layers as f')
    .innerJoin('layers', 'layers.digest', 'f.layer')
    .select(`f.${column} as digest`)
    .where(`f.${column}`, 'in', digests);

const layerForms: Root = async (db, digests) => [
  ...(await formsOf(db, 'map_digest', digests).execute()),
  ...(await formsOf(db, 'own_digest', digests).execute()),
];

const liveLayerForms: Root = async (db, digests, cutoff) => [
  ...(await formsOf(db, 'map_digest', digests)
    .where((eb) => isLiveLayer(eb, cutoff))
    .execute()),
  ...(await formsOf(db, 'own_digest', digests)
    .where((eb) => isLiveLayer(eb, cutoff))
    .execute()),
];

/** Every row that names a blob. */
export const NAMING_ROWS: readonly Root[] = [
  manifests,
  children,
  links,
  layers,
  indexes,
  packs,
  deltas,
  ostreeDeltaFiles,
  zstdChunkedImages,
  layerForms,
];

/** Every row that names a blob and that pruning leaves. */
export const LASTING_ROWS: readonly Root[] = [
  manifests,
  children,
  recentLinks,
  liveLayers,
  liveIndexes,
  livePacks,
  lastingPacksOf,
  deltas,
  ostreeDeltaFiles,
  zstdChunkedImages,
  liveLayerForms,
];

/** Those of the digests that at least one of the roots reaches. */
export async function reachedBy(
  roots: readonly Root[],
  db: Kysely<Schema>,
  digests: readonly Digest[],
  cutoff: GcCutoff,
): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  for (const batch of batches(digests)) {
    let open = batch;
    for (const root of roots) {
      if (open.length === 0) break;
      for (const { digest } of await root(db, open, cutoff)) found.add(digest);
      open = open.filter((digest) => !found.has(digest));
    }
  }
  return found;
}
