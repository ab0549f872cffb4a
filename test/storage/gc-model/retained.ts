import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { DOCUMENTS, REPOS, TAGS } from './material.ts';
import { isNightly, isVersion, POLICY } from './retention-policy.ts';
import type { World } from './world.ts';

/** Tags and manifests that the policy should have taken; looked up once all are old and no device lives. */
export async function retainedTooLong(world: World): Promise<readonly string[]> {
  const { repositories } = world.bare.catalog;
  const left: string[] = [];
  for (const repo of REPOS) {
    const tags = await repositories.tags(repo, { limit: TAGS.length });
    left.push(...tags.filter(isNightly).map((tag) => `tag ${repo}:${tag}`));
    const versions = tags.filter(isVersion);
    if (versions.length > 1) left.push(`tags ${repo}:${versions.join(' and ')}`);
    const needed = await neededManifests(world, repo);
    for (const digest of DOCUMENTS.keys()) {
      const isThere = (await repositories.getManifest(repo, digest)) !== undefined;
      if (isThere && !needed.has(digest)) left.push(`manifest ${repo}@${digest}`);
    }
  }
  return left;
}

/** What tags are at and were at before, what deltas are of, and all that these hold. */
async function neededManifests(
  { bare: { catalog } }: World,
  repo: RepoName,
): Promise<ReadonlySet<Digest>> {
  const { repositories, deltas } = catalog;
  const needed = new Set<Digest>();
  for (const tag of await repositories.tags(repo, { limit: TAGS.length })) {
    const releases = await repositories.releases(repo, tag, 1 + POLICY.releases);
    releases.forEach(({ digest }) => needed.add(digest));
  }
  const states = ['pending', 'building', 'proving', 'published'] as const;
  for (const { from, to, state } of await deltas.list({ repo, states, limit: 1000 })) {
    needed.add(to);
    if (state !== 'published') needed.add(from);
  }
  // Needed ones are visited as they are added.
  for (const digest of needed) {
    if ((await repositories.getManifest(repo, digest)) === undefined) continue;
    for (const child of await repositories.children(repo, digest)) needed.add(child.digest);
    for (const { digest: referrer, subject } of DOCUMENTS.values()) {
      if (subject === digest) needed.add(referrer);
    }
  }
  return needed;
}
