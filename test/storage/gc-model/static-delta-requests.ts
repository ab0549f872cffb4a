import type {
  OstreeDeltaFile,
  OstreeDeltaName,
} from '../../../storage/catalog/ostree-delta-catalog.ts';
import { RETIRED_DELTA_MS } from '../../../storage/gc/collect.ts';
import type { RepoName } from '../../../storage/names.ts';
import { pickOf, REFS, TREES } from './material.ts';
import type { Request } from './request.ts';
import { HOUR, MINUTE } from './world.ts';

const LEASE_MS = MINUTE;
const NAMES = ['0', 'superblock'] as const;
const RESULT = {
  ...{ superblockBytes: 1, partBytes: 1, fallbackBytes: 0, fullBytes: 1000 },
  ...{ fullRequests: 9, requests: 2, buildMs: 1, applyMs: 1 },
};

/** The part and the superblock, the same in every repository. */
export function filesOfDelta({
  from,
  to,
}: Pick<OstreeDeltaName, 'from' | 'to'>): readonly Buffer[] {
  return NAMES.map((name) => Buffer.from(`${name} of ${from ?? 'nothing'} to ${to}`));
}

/** Builds a static delta, from the first commit or from scratch, and publishes it. */
export async function publishStaticDelta(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  fromScratch: boolean,
): Promise<void> {
  const { blobs, catalog } = stores;
  const { ostreeDeltas } = catalog;
  const [first, second] = TREES.map(([root]) => root.name.checksum);
  if (first === undefined || second === undefined) throw new Error('no commits');
  const pair = { repo, ref: pickOf(REFS, 0), from: fromScratch ? undefined : first, to: second };
  await ostreeDeltas.ensure([pair], world.clock.nowMs - RETIRED_DELTA_MS);
  const claim = await ostreeDeltas.claim('w', LEASE_MS);
  if (claim === undefined) return;
  const { delta, lease } = claim;
  const end = world.model.staticDelta(delta.id).push(world.clock.nowMs);
  const files: OstreeDeltaFile[] = [];
  onEnd((acknowledged) => {
    const held = { blobs: files.map(({ digest }) => digest), manifests: [] };
    end(acknowledged ? held : undefined);
  });
  for (const [n, bytes] of filesOfDelta(delta).entries()) {
    const file = { name: NAMES[n] ?? '', ...(await blobs.putBytes(bytes)) };
    if (n === 0) await ostreeDeltas.keepFile(delta.id, lease, file);
    files.push(file);
  }
  await ostreeDeltas.publish(delta.id, lease, RESULT, files);
}

/** What is offered goes on for a while: a pull may be on its way. */
export async function retireStaticDeltas({ world, stores, onEnd }: Request): Promise<void> {
  const { ostreeDeltas } = stores.catalog;
  const published = await ostreeDeltas.list({ states: ['published'], limit: 10 });
  const ids = published.map(({ id }) => id);
  const untilMs = world.clock.nowMs + HOUR;
  const { model } = world;
  const ends = ids.map((id) => model.retire(model.staticDelta(id), untilMs));
  onEnd(() => {
    for (const end of ends) end();
  });
  await ostreeDeltas.retire(ids);
}
