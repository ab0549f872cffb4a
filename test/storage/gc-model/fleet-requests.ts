import type { RepoName, Tag } from '../../../storage/names.ts';
import type { Request } from './request.ts';
import { LIVE_MS } from './world.ts';

/**
 * A device asks what its tag is at and, unless it only asks, installs that and tells so. It comes with
 * what the tag is at when it is first seen.
 */
export async function updateDevice(
  { world, stores }: Request,
  repo: RepoName,
  tag: Tag,
  options: { readonly device: number; readonly installs: boolean },
): Promise<void> {
  const { model, clock } = world;
  const { fleet, repositories } = stores.catalog;
  const id = `device ${options.device} of ${repo}`;
  const device = model.imageDevice(id, repo);
  if (device.isBusy) return;
  device.isBusy = true;
  try {
    const nowMs = clock.nowMs;
    device.runs ??= model.tag(repo, tag).sure?.is;
    const from = device.runs;
    device.follows = undefined;
    await fleet.seen({
      ...{ id, kind: 'oci', product: repo, channel: tag, platform: 'linux/amd64', region: '' },
      ...{ current: from, seenMs: nowMs },
    });
    Object.assign(device, { follows: tag, untilMs: nowMs + LIVE_MS });
    if (device.running !== from) Object.assign(device, { running: from, cameFrom: undefined });
    const to = await repositories.resolveTag(repo, tag);
    if (to === undefined || to === from) return;
    world.decisions += 1;
    const decision = `${id}, ${world.decisions}`;
    const createdMs = clock.nowMs;
    await fleet.decide({
      id: decision,
      kind: 'oci',
      deviceId: id,
      product: repo,
      from,
      to,
      createdMs,
    });
    for (const digest of from === undefined ? [to] : [from, to]) {
      device.told.push({ digest, untilMs: createdMs + LIVE_MS });
    }
    if (!options.installs) return;
    device.running = undefined;
    device.runs = to;
    await fleet.report(decision, [{ seq: 1, type: 'healthy', atMs: clock.nowMs }]);
    Object.assign(device, { running: to, cameFrom: from });
  } finally {
    device.isBusy = false;
  }
}
