import { AUDIT_SOURCES } from '../../../storage/catalog/audit-catalog.ts';
import { parseChunkIndex } from '../../../storage/chunk/chunk-index.ts';
import { digestOf, parseDigest, type Digest } from '../../../storage/digest.ts';
import { readBlob } from '../../../storage/blob-store.ts';
import { digestOfKey } from '../../../storage/keys.ts';
import { blobsOfForm, blobsOfLayerForm } from './form-requests.ts';
import { REPOS, TREES } from './material.ts';
import { pairOf } from './model.ts';
import { retainedTooLong } from './retained.ts';
import { filesOfDelta } from './static-delta-requests.ts';
import type { World } from './world.ts';

const MAX_INDEX_BYTES = 1_000_000;

/** What is stored, or has a row, though nothing needs it: looked up once all is quiet and collected. */
export async function leftovers(world: World): Promise<readonly string[]> {
  const needed = await neededBlobs(world);
  const left = [...(await retainedTooLong(world))];
  for await (const { key } of world.bare.objects.list('')) {
    const digest = digestOfKey(key);
    if (digest === undefined || !needed.has(digest)) left.push(`object ${key}`);
  }
  for (const source of AUDIT_SOURCES) {
    for (const { digest } of await world.bare.catalog.audit.expected(source, undefined, 1000)) {
      if (!needed.has(digest)) left.push(`${source} row ${digest}`);
    }
  }
  return left;
}

/** From the roots downwards, as a reader of the catalog sees it. */
async function neededBlobs(world: World): Promise<ReadonlySet<Digest>> {
  const { repositories, layers, deltas, ostreeDeltas } = world.bare.catalog;
  const needed = new Set<Digest>();
  const named = new Set<Digest>();
  for (const key of world.model.attempted) {
    const [repo, name] = pairOf(key);
    const digest = parseDigest(name);
    if ((await repositories.getManifest(repo, digest)) === undefined) continue;
    needed.add(digest);
    for (const blob of await blobsOfForm(world.bare.catalog, repo, digest)) needed.add(blob);
    for (const child of await repositories.children(repo, digest)) named.add(child.digest);
  }
  for (const digest of named) {
    needed.add(digest);
    for (const blob of await blobsOfLayerForm(world.bare.catalog, digest)) needed.add(blob);
    const index = (await layers.get(digest))?.index;
    if (index === undefined) continue;
    needed.add(index.digest);
    const bytes = await readBlob(world.bare.blobs, index.digest, { maxBytes: MAX_INDEX_BYTES });
    for (const pack of parseChunkIndex(bytes).packs) needed.add(pack);
  }
  for (const { result } of await deltas.list({ states: ['published'], limit: 1000 })) {
    if (result !== undefined) needed.add(result.digest);
  }
  const states = ['building', 'published'] as const;
  for (const row of await ostreeDeltas.list({ states, limit: 1000 })) {
    for (const file of filesOfDelta(row)) needed.add(digestOf(file));
  }
  for (const pack of await packsOfCommits(world)) needed.add(pack);
  return needed;
}

/** Commits at refs, and what these reach: no device lives any more. */
async function packsOfCommits(world: World): Promise<Iterable<Digest>> {
  const { ostree } = world.bare.catalog;
  const names = [];
  for (const repo of REPOS) {
    const at = new Set((await ostree.refs(repo)).map(({ checksum }) => checksum));
    for (const tree of TREES) {
      if (at.has(tree[0].name.checksum)) names.push(...tree.map(({ name }) => name));
    }
  }
  return (await ostree.packsOf(names)).keys();
}
