import { Readable } from 'node:stream';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { blobKey, type ObjectKey } from '../../storage/keys.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import type { ObjectEntry, ObjectStore } from '../../storage/object-store.ts';

const REPO = parseRepoName('bench/rows');
/** Of a layer of 40 MB: all in a pack of its own. */
export const CHUNKS_PER_LAYER = 500;
const LAYERS_PER_IMAGE = 4;
/** One image in so many is deleted, so that there is something to collect. */
const DELETED = 10;
const SIZE = 1000;
const LEASE_MS = 3_600_000;

/** The digest that stands for the n-th of a kind; digests spread as real ones do. */
function nth(kind: string, n: number): Digest {
  return digestOf(Buffer.from(`${kind} ${n}`));
}

function imagesOf(chunks: number): number {
  return Math.max(1, Math.round(chunks / (CHUNKS_PER_LAYER * LAYERS_PER_IMAGE)));
}

/** Rows of so many chunks, written by the catalog's own calls: images, their layers, packs and chunks. */
export async function fillCatalog(catalog: Catalog, chunks: number): Promise<void> {
  const { repositories } = catalog;
  for (let image = 0; image < imagesOf(chunks); image += 1) {
    const config = { digest: nth('config', image), kind: 'config' as const };
    const layers = layersOf(image).map((digest) => ({ digest, kind: 'layer' as const }));
    for (const { digest } of [config, ...layers]) await repositories.linkBlob(REPO, digest, SIZE);
    const row = { digest: nth('image', image), mediaType: MEDIA_TYPES.ociManifest, size: SIZE };
    await repositories.putManifest(REPO, row, [config, ...layers], parseTag(`v${image}`));
    for (const { digest } of layers) await chunkLayer(catalog, digest);
    if (image % DELETED === 0) await repositories.deleteManifest(REPO, row.digest);
  }
}

function layersOf(image: number): readonly Digest[] {
  return Array.from({ length: LAYERS_PER_IMAGE }, (_, n) =>
    nth('layer', image * LAYERS_PER_IMAGE + n),
  );
}

async function chunkLayer({ layers }: Catalog, digest: Digest): Promise<void> {
  await layers.ensure(digest, MEDIA_TYPES.ociLayerTar);
  const claim = await layers.claim('bench', LEASE_MS);
  if (claim === undefined) throw new Error(`layer ${digest} can't be claimed`);
  const pack = { digest: nth(`pack of ${digest}`, 0), size: SIZE };
  await layers.finish(digest, claim.lease, {
    ...{ diffId: nth(`tar of ${digest}`, 0), rawSize: SIZE, pack, packs: [pack.digest] },
    index: { digest: nth(`index of ${digest}`, 0), size: SIZE },
    newChunks: Array.from({ length: CHUNKS_PER_LAYER }, (_, n) => ({
      ...{ digest: nth(`chunk of ${digest}`, n), pack: pack.digest },
      ...{ offset: n * SIZE, length: SIZE, rawLength: SIZE },
    })),
  });
}

/** The objects behind such rows, as names and sizes alone. */
export function syntheticStore(chunks: number, modifiedMs: number): ObjectStore {
  const folders = new Map<string, Set<ObjectKey>>();
  for (let image = 0; image < imagesOf(chunks); image += 1) {
    const own = [nth('config', image), nth('image', image)];
    const layers = layersOf(image).flatMap((digest) => [
      ...[digest, nth(`pack of ${digest}`, 0), nth(`index of ${digest}`, 0)],
    ]);
    for (const key of [...own, ...layers].map(blobKey)) folderOf(folders, key).add(key);
  }
  const entry = (key: ObjectKey): ObjectEntry => ({ key, size: SIZE, modifiedMs });
  return {
    name: 'synthetic',
    put: () => Promise.resolve({ size: SIZE, created: true }),
    open: () => Promise.resolve(Readable.from([])),
    move: () => Promise.resolve(),
    stat: (key) => Promise.resolve(folderOf(folders, key).has(key) ? entry(key) : undefined),
    delete: (key) => {
      folderOf(folders, key).delete(key);
      return Promise.resolve();
    },
    async *list(prefix) {
      await Promise.resolve();
      for (const key of folders.get(prefix) ?? []) yield entry(key);
    },
  };
}

function folderOf(folders: Map<string, Set<ObjectKey>>, key: ObjectKey): Set<ObjectKey> {
  const name = key.slice(0, key.lastIndexOf('/') + 1);
  const folder = folders.get(name) ?? new Set();
  folders.set(name, folder);
  return folder;
}
