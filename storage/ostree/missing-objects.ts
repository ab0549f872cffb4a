import type { BlobReader } from '../blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { PackPresence } from '../chunk/pack-presence.ts';
import type { RepoName } from '../names.ts';
import type { IoOptions } from '../object-store.ts';
import { formatObjectName, type OstreeObjectName } from './object-name.ts';

/**
 * What a push of those objects has to send, in their order: what the repository lacks
 * (`OstreeCatalog.missing`), and what it has in packs that were lost, so that pushing again heals it.
 */
export async function missingObjects(
  store: { readonly blobs: Pick<BlobReader, 'stat'>; readonly catalog: Pick<Catalog, 'ostree'> },
  repo: RepoName,
  names: readonly OstreeObjectName[],
  options: IoOptions = {},
): Promise<readonly OstreeObjectName[]> {
  const { blobs, catalog } = store;
  const missing = new Set((await catalog.ostree.missing(repo, names)).map(formatObjectName));
  const presence = new PackPresence(blobs, options.signal);
  for (const [pack, objects] of await catalog.ostree.packsOf(names)) {
    if (await presence.has(pack)) continue;
    for (const name of objects) missing.add(formatObjectName(name));
  }
  return names.filter((name) => missing.has(formatObjectName(name)));
}
