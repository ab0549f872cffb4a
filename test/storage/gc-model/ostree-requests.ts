import type { RepoName } from '../../../storage/names.ts';
import { missingObjects } from '../../../storage/ostree/missing-objects.ts';
import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { incoming } from '../ostree/objects.ts';
import type { Tree } from './material.ts';
import { pairKey } from './model.ts';
import type { Request } from './request.ts';
import { LIVE_MS } from './world.ts';

/** As a client pushes: what is missing, then the ref. */
export async function pushCommit(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  ref: OstreeRef,
  tree: Tree,
): Promise<void> {
  const end = world.model.ref(repo, ref).write();
  onEnd((acknowledged) => {
    end(acknowledged ? { is: tree } : undefined);
  });
  const { blobs, catalog } = stores;
  const names = tree.map(({ name }) => name);
  const missing = new Set(
    (await missingObjects({ blobs, catalog }, repo, names)).map(formatObjectName),
  );
  const sent = tree.filter(({ name }) => missing.has(formatObjectName(name)));
  await writeObjects(incoming(sent), { blobs, catalog, repo, scratch: world.scratch });
  await catalog.ostree.moveRef(repo, ref, tree[0].name.checksum, 'any');
}

/** Devices that follow the ref hold nothing any more. */
export async function deleteRef(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  ref: OstreeRef,
): Promise<void> {
  const end = world.model.ref(repo, ref).write();
  forgetDevices(world.model.devices, pairKey(repo, ref));
  onEnd((acknowledged) => {
    end(acknowledged ? { is: undefined } : undefined);
    forgetDevices(world.model.devices, pairKey(repo, ref));
  });
  await stores.catalog.ostree.deleteRef(repo, ref);
}

function forgetDevices(devices: Request['world']['model']['devices'], ref: string): void {
  for (const [id, device] of devices) if (device.ref === ref) devices.delete(id);
}

/** A device reports that it runs what the ref is at. */
export async function seeDevice(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  ref: OstreeRef,
): Promise<void> {
  const { model, clock } = world;
  const register = model.ref(repo, ref);
  const before = register.sure;
  const tree = before?.is;
  if (tree === undefined) return;
  const id = `device of ${repo} ${ref}`;
  const seenMs = clock.nowMs;
  model.devices.delete(id);
  onEnd((acknowledged) => {
    if (!acknowledged || register.sure !== before) return;
    model.devices.set(id, { ref: pairKey(repo, ref), tree, untilMs: seenMs + LIVE_MS });
  });
  await stores.catalog.fleet.seen({
    ...{ id, kind: 'ostree', product: repo, channel: ref, region: '', seenMs },
    current: tree[0].name.checksum,
  });
}
