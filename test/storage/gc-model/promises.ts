import { AUDIT_SOURCES } from '../../../storage/catalog/audit-catalog.ts';
import { parseDigest, type Digest } from '../../../storage/digest.ts';
import type { RepoName, Tag } from '../../../storage/names.ts';
import { pairOf } from './model.ts';
import { blobsOfForm } from './form-requests.ts';
import type { Tree } from './material.ts';
import type { World } from './world.ts';

/** What of all that was promised is not kept; in words, none when all is well. Holds at any moment. */
export async function brokenPromises(world: World): Promise<readonly string[]> {
  const found = [
    await lostManifests(world),
    await lostLinks(world),
    await lostSessions(world),
    await wrongTags(world),
    await lostDeltas(world),
    await lostForms(world),
    await lostCommits(world),
    await rowsWithoutBytes(world),
  ];
  return found.flat();
}

async function hasBytes({ bare }: World, digest: Digest): Promise<boolean> {
  return (await bare.blobs.stat(digest)) !== undefined;
}

async function canPull(world: World, repo: RepoName, digest: Digest): Promise<boolean> {
  const { repositories } = world.bare.catalog;
  return (await repositories.hasBlob(repo, digest)) && (await hasBytes(world, digest));
}

async function lostManifests(world: World): Promise<readonly string[]> {
  const { repositories } = world.bare.catalog;
  const lost: string[] = [];
  for (const [key, fact] of world.model.manifests) {
    const { held } = fact;
    if (held === undefined) continue;
    const [repo, name] = pairOf(key);
    const digest = parseDigest(name);
    const row = await repositories.getManifest(repo, digest);
    if (row === undefined || !(await hasBytes(world, digest))) lost.push(`manifest ${key}`);
    for (const blob of held.blobs) {
      if (!(await canPull(world, repo, blob))) lost.push(`${blob} of manifest ${key}`);
    }
  }
  return lost;
}

async function lostLinks(world: World): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const [key, { untilMs }] of world.model.links) {
    if (untilMs <= world.clock.nowMs) continue;
    const [repo, name] = pairOf(key);
    if (!(await canPull(world, repo, parseDigest(name)))) lost.push(`young link ${key}`);
  }
  return lost;
}

async function lostSessions(world: World): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const [id, { size, untilMs }] of world.model.sessions) {
    if (untilMs <= world.clock.nowMs) continue;
    const session = await world.bare.catalog.uploads.get(id);
    if (session === undefined || session.size < size) lost.push(`session ${id} of ${size} bytes`);
  }
  return lost;
}

async function wrongTags(world: World): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const [key, register] of world.model.tags) {
    const { sure } = register;
    if (sure === undefined) continue;
    const [repo, name] = pairOf(key);
    const actual = await world.bare.catalog.repositories.resolveTag(repo, name as Tag);
    if (actual !== sure.is)
      wrong.push(`tag ${key} is at ${String(actual)}, not ${String(sure.is)}`);
  }
  return wrong;
}

async function lostDeltas(world: World): Promise<readonly string[]> {
  const lost: string[] = [];
  const { deltas, staticDeltas } = world.model;
  const facts = [...deltas.values(), ...staticDeltas.values()];
  const offered = facts.flatMap(({ held }) => held?.blobs ?? []);
  for (const digest of offered) {
    if (!(await hasBytes(world, digest))) lost.push(`delta ${digest}`);
  }
  for (const [digest, { untilMs }] of world.model.retired) {
    if (untilMs <= world.clock.nowMs) continue;
    if (!(await hasBytes(world, digest))) lost.push(`delta ${digest}, retired lately`);
  }
  return lost;
}

async function lostForms(world: World): Promise<readonly string[]> {
  const { model, bare } = world;
  const lost: string[] = [];
  for (const [key, { epoch }] of model.forms) {
    const [repo, name] = pairOf(key);
    const fact = model.manifest(repo, parseDigest(name));
    if (fact.held === undefined || fact.epoch !== epoch) continue;
    const blobs = await blobsOfForm(bare.catalog, repo, parseDigest(name));
    if (blobs.length === 0) lost.push(`form of ${key}`);
    for (const digest of blobs) {
      if (!(await hasBytes(world, digest))) lost.push(`${digest} of the form of ${key}`);
    }
  }
  return lost;
}

/** Commits of refs, those that devices run, and those that they may be rolled back to. */
async function lostCommits(world: World): Promise<readonly string[]> {
  const lost: string[] = [];
  const { model, clock } = world;
  for (const [key, register] of model.refs) {
    const tree = register.sure?.is;
    if (tree !== undefined) lost.push(...(await gaps(world, key, tree, `ref ${key}`)));
  }
  for (const [id, { ref, running, cameFrom, untilMs }] of model.commitDevices) {
    if (untilMs <= clock.nowMs) continue;
    lost.push(...(await gaps(world, ref, running, id)));
    if (cameFrom !== undefined) lost.push(...(await gaps(world, ref, cameFrom, `before, ${id}`)));
  }
  return lost;
}

async function gaps(
  world: World,
  ref: string,
  tree: Tree,
  what: string,
): Promise<readonly string[]> {
  const { ostree } = world.bare.catalog;
  const [repo] = pairOf(ref);
  const lacking = await ostree.closureGaps(repo, tree[0].name.checksum, 5);
  const packs = await ostree.packsOf(tree.map(({ name }) => name));
  const lost = lacking.map(({ checksum }) => `${checksum} of ${what}`);
  for (const pack of packs.keys()) {
    if (!(await hasBytes(world, pack))) lost.push(`pack ${pack} of ${what}`);
  }
  return lost;
}

/** Bytes are durable before a row names them, and go after the row. */
async function rowsWithoutBytes(world: World): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const source of AUDIT_SOURCES) {
    for (const { digest } of await world.bare.catalog.audit.expected(source, undefined, 1000)) {
      if (!(await hasBytes(world, digest))) lost.push(`bytes of the ${source} row ${digest}`);
    }
  }
  return lost;
}
