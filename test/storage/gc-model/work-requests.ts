import { ingestLayer } from '../../../storage/chunk/ingest.ts';
import { isStorageError } from '../../../storage/errors.ts';
import { collectGarbage, RETIRED_DELTA_MS } from '../../../storage/gc/collect.ts';
import { REPO, STABLE } from '../../suites/catalog/names.ts';
import { IMAGES, pickOf } from './material.ts';
import type { Request } from './request.ts';
import { GRACE_MS, HOUR, LIVE_MS, MINUTE, SESSION_MS } from './world.ts';

const LEASE_MS = MINUTE;

/** Chunks a layer that waits for it. */
export async function chunkLayer({ world, stores }: Request): Promise<void> {
  const { blobs, catalog } = stores;
  const { layers } = catalog;
  const claim = await layers.claim('w', LEASE_MS);
  if (claim === undefined) return;
  const { lease, layer } = claim;
  const { digest } = layer;
  try {
    const { scratch } = world;
    await layers.finish(digest, lease, await ingestLayer({ blobs, layers, digest, scratch }));
  } catch (error) {
    if (!isStorageError(error, 'conflict')) await layers.release(digest, lease);
    throw error;
  }
}

/** Builds a delta and publishes it. */
export async function publishDelta({ world, stores, onEnd }: Request, n: number): Promise<void> {
  const { blobs, catalog } = stores;
  const platform = 'linux/amd64';
  const [from, to] = [pickOf(IMAGES, n).digest, pickOf(IMAGES, n + 1).digest];
  const keptSinceMs = world.clock.nowMs - RETIRED_DELTA_MS;
  await catalog.deltas.ensure([{ repo: REPO, tag: STABLE, platform, from, to }], keptSinceMs);
  const claim = await catalog.deltas.claim('w', LEASE_MS);
  if (claim === undefined) return;
  const { delta, lease } = claim;
  const { pairs } = world.model;
  pairs.set(delta.id, { repo: delta.repo, ends: [delta.from, delta.to] });
  const bytes = Buffer.from(`delta ${delta.id}`);
  const fact = world.model.delta(delta.id);
  const end = fact.push(world.clock.nowMs);
  const { digest, size } = await blobs.putBytes(bytes);
  onEnd((acknowledged) => {
    end(acknowledged ? { blobs: [digest], manifests: [] } : undefined);
  });
  pairs.delete(delta.id);
  await catalog.deltas.publish(delta.id, lease, {
    ...{ digest, size, fullSize: 1000, ramBytes: 1, buildMs: 1, applyMs: 1, codecs: {} },
  });
  pairs.set(delta.id, { repo: delta.repo, ends: [delta.to] });
}

/** What is offered goes on for a while: plans name it. */
export async function retireDeltas({ world, stores, onEnd }: Request): Promise<void> {
  const { deltas } = stores.catalog;
  const published = await deltas.list({ states: ['published'], limit: 10 });
  const ids = published.map(({ id }) => id);
  const untilMs = world.clock.nowMs + HOUR;
  const { model } = world;
  const ends = ids.map((id) => {
    model.pairs.delete(id);
    return model.retire(model.delta(id), untilMs);
  });
  onEnd(() => {
    for (const end of ends) end();
  });
  await deltas.retire(ids);
  for (const id of ids) model.pairs.delete(id);
}

export async function collect({ world, stores }: Request): Promise<void> {
  await collectGarbage({
    ...{ objects: stores.objects, catalog: stores.catalog, clock: world.clock.read },
    ...{ graceMs: GRACE_MS, liveMs: LIVE_MS, keptCommits: 1, dryRun: false },
  });
}

export async function sweepUploads({ stores }: Request): Promise<void> {
  await stores.uploads.sweep(SESSION_MS);
}
