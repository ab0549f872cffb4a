import type { Digest } from '../../../storage/digest.ts';
import type { RepoName, Tag } from '../../../storage/names.ts';
import type { RetentionPolicy } from '../../../storage/retention/policy.ts';
import { TAGS } from './material.ts';
import type { Model } from './model.ts';
import { HOUR, LIVE_MS } from './world.ts';

/** What is pushed within this stays, if it is a nightly build or has no tag. */
export const YOUNG_MS = HOUR;

export const isVersion = (tag: Tag): boolean => tag.startsWith('v');
export const isNightly = (tag: Tag): boolean => tag === 'nightly';

/** Of versions the last, of nightly builds and what has no tag the young; no rule is for other tags. */
export const POLICY: RetentionPolicy = {
  releases: 1,
  liveMs: LIVE_MS,
  rules: [
    { name: 'versions', repositories: () => true, tags: { matches: isVersion, last: 1 } },
    {
      name: 'nightly',
      repositories: () => true,
      tags: { matches: isNightly, youngerThanMs: YOUNG_MS },
      untagged: { youngerThanMs: YOUNG_MS },
    },
  ],
};

/** Tags of a repository that the policy keeps, and what each may be rolled back to. */
export type KeptTags = ReadonlyMap<Tag, { readonly rollback: Digest | undefined }>;

/** Those of which it is sure at this moment, whatever is on its way. */
export function keptByPolicy(model: Model, repo: RepoName, nowMs: number): KeptTags {
  const kept = new Map<Tag, { readonly rollback: Digest | undefined }>();
  for (const tag of TAGS) {
    const sure = model.tag(repo, tag).sure;
    if (sure?.is === undefined) continue;
    const isKept =
      (isVersion(tag) && isLastVersion(model, repo, tag)) ||
      (isNightly(tag) && sure.since !== undefined && sure.since.ms > nowMs - YOUNG_MS) ||
      !(isVersion(tag) || isNightly(tag));
    if (isKept) kept.set(tag, { rollback: sure.before?.is });
  }
  return kept;
}

function isLastVersion(model: Model, repo: RepoName, tag: Tag): boolean {
  const since = model.tag(repo, tag).sure?.since;
  if (since === undefined) return false;
  return TAGS.filter((other) => isVersion(other) && other !== tag).every(
    (other) => model.tag(repo, other).changedBefore < since.order,
  );
}
