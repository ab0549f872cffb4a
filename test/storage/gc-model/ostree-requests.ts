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
  const { commitDevices } = world.model;
  forgetDevices(commitDevices, pairKey(repo, ref));
  onEnd((acknowledged) => {
    end(acknowledged ? { is: undefined } : undefined);
    forgetDevices(commitDevices, pairKey(repo, ref));
  });
  await stores.catalog.ostree.deleteRef(repo, ref);
}

function forgetDevices(devices: Request['world']['model']['commitDevices'], ref: string): void {
  for (const [id, device] of devices) if (device.ref === ref) devices.delete(id);
}

/** A device installs what the ref is at; when it is first seen, it runs that already. */
export async function seeDevice(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  ref: OstreeRef,
): Promise<void> {
  const { model, clock } = world;
  const { fleet } = stores.catalog;
  const register = model.ref(repo, ref);
  const before = register.sure;
  const tree = before?.is;
  if (tree === undefined) return;
  const id = `device of ${repo} ${ref}`;
  const nowMs = clock.nowMs;
  const known = model.commitDevices.get(id);
  const former = known !== undefined && known.untilMs > nowMs ? known : undefined;
  const isNew = former !== undefined && former.running !== tree;
  const cameFrom = isNew ? former.running : former?.cameFrom;
  model.commitDevices.delete(id);
  onEnd((acknowledged) => {
    if (!acknowledged || register.sure !== before) return;
    const untilMs = nowMs + LIVE_MS;
    model.commitDevices.set(id, { ref: pairKey(repo, ref), running: tree, cameFrom, untilMs });
  });
  const from = former?.running ?? tree;
  const current = from[0].name.checksum;
  await fleet.seen({
    ...{ id, kind: 'ostree', product: repo, channel: ref, region: '', seenMs: nowMs, current },
  });
  if (!isNew) return;
  world.decisions += 1;
  const decision = `${id}, ${world.decisions}`;
  await fleet.decide({
    ...{ id: decision, kind: 'ostree', deviceId: id, product: repo, createdMs: clock.nowMs },
    ...{ from: current, to: tree[0].name.checksum },
  });
  await fleet.report(decision, [{ seq: 1, type: 'healthy', atMs: clock.nowMs }]);
}
