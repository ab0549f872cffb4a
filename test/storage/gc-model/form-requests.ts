import { runFormJob } from '../../../delta/oci/zstd-chunked/form-job.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { manifestThere, pairKey } from './model.ts';
import type { Request } from './request.ts';
import { chunkLayer } from './work-requests.ts';
import { MINUTE } from './world.ts';

const LEASE_MS = MINUTE;
const UNBOUNDED = 1_000_000;

/** Wants the zstd:chunked form of a manifest that is there, and makes the first that is due. */
export async function makeForm(request: Request, repo: RepoName, n: number): Promise<void> {
  const { world, stores, onEnd } = request;
  const { blobs, catalog } = stores;
  const { clock, model, scratch } = world;
  const source = manifestThere(model, repo, n);
  if (source === undefined) return;
  // As a builder does: it has nothing to make a form of before.
  for (const { kind, digest } of await catalog.repositories.children(repo, source)) {
    if (kind === 'layer' && (await catalog.layers.get(digest))?.state === 'pending') {
      await chunkLayer(request);
    }
  }
  await catalog.zstdChunked.ensure(repo, [source]);
  const claim = await catalog.zstdChunked.claim('w', LEASE_MS);
  if (claim === undefined) return;
  const { image } = claim;
  const { epoch } = model.manifest(image.repo, image.source);
  const told = { isPublished: false };
  onEnd((acknowledged) => {
    if (!acknowledged || !told.isPublished) return;
    model.forms.set(pairKey(image.repo, image.source), { epoch });
  });
  const deps = { blobs, catalog, scratch, leaseMs: LEASE_MS, maxAttempts: UNBOUNDED };
  const { kind } = await runFormJob({ ...deps, clock: clock.read }, claim);
  told.isPublished = kind === 'published';
}

/** The form's own manifest and what its layers' forms take beside their packs; none while it has none. */
export async function blobsOfForm(
  catalog: Catalog,
  repo: RepoName,
  source: Digest,
): Promise<readonly Digest[]> {
  const form = await catalog.zstdChunked.image(repo, source);
  if (form?.state !== 'published' || form.manifest === undefined) return [];
  const blobs = [form.manifest.digest];
  for (const { digest, kind } of await catalog.repositories.children(repo, source)) {
    if (kind === 'layer') blobs.push(...(await blobsOfLayerForm(catalog, digest)));
  }
  return blobs;
}

export async function blobsOfLayerForm(
  { zstdChunked }: Catalog,
  layer: Digest,
): Promise<readonly Digest[]> {
  const form = await zstdChunked.layerForm(layer);
  return form === undefined ? [] : [form.map.digest, form.own.digest];
}
