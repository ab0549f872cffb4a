import type { RetainedTag } from '../../../storage/catalog/retention-catalog.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { DOCUMENTS, TAGS } from './material.ts';
import { pairOf, type Model } from './model.ts';
import { YOUNG_MS, type KeptTags } from './retention-policy.ts';

/** A tag that retention took, or none, with the manifests that went along. */
export interface Drop {
  readonly repo: RepoName;
  readonly tag: RetainedTag | undefined;
  readonly manifests: readonly Digest[];
  /** What the policy kept when retention looked. */
  readonly kept: KeptTags;
  /** From when retention counts ages. */
  readonly startedMs: number;
  readonly nowMs: number;
}

/** Why the tag had to stay; undefined if it may go. */
export function claimOnTag(model: Model, { repo, tag, kept, nowMs }: Drop): string | undefined {
  if (tag === undefined) return undefined;
  const sure = model.tag(repo, tag.tag).sure;
  if (sure !== undefined && sure.is !== tag.digest) return 'it was moved since';
  if (kept.has(tag.tag)) return 'the policy keeps it';
  const followers = [...model.imageDevices].filter(
    ([, one]) => one.repo === repo && one.follows === tag.tag && one.untilMs > nowMs,
  );
  return followers.map(([id]) => `${id} follows it`)[0];
}

/** Why that one of the manifests had to stay; undefined if it may go. To be asked once the tag is gone. */
export function claimOnManifest(model: Model, drop: Drop, digest: Digest): string | undefined {
  const { repo, tag, kept, startedMs } = drop;
  if (tag !== undefined && !heldByDocument(digest, tag.digest)) {
    return `${tag.tag} does not hold it`;
  }
  const tagged = TAGS.find((name) => model.tag(repo, name).sure?.is === digest);
  if (tagged !== undefined) return `${tagged} is at it`;
  for (const [name, { rollback }] of kept) {
    if (rollback === digest) return `${name} may be rolled back to it`;
  }
  const { touchedMs } = model.manifest(repo, digest);
  if (tag === undefined && touchedMs > startedMs - YOUNG_MS) return 'it is young';
  return claimOfManifest(model, drop, digest) ?? claimOfFleet(model, drop, digest);
}

/** Manifests that stay hold what they name, and what refers to them. */
function claimOfManifest(model: Model, drop: Drop, digest: Digest): string | undefined {
  const subject = DOCUMENTS.get(digest)?.subject;
  for (const [key, { held }] of model.manifests) {
    const [owner, parent] = pairOf(key);
    if (held === undefined || owner !== drop.repo) continue;
    if (drop.manifests.some((gone) => gone === parent)) continue;
    if (held.manifests.includes(digest)) return `${parent} names it`;
    if (subject === parent) return `it refers to ${parent}`;
  }
  return undefined;
}

function claimOfFleet(model: Model, { repo, nowMs }: Drop, digest: Digest): string | undefined {
  for (const [id, device] of model.imageDevices) {
    if (device.repo !== repo) continue;
    if (device.untilMs > nowMs) {
      if (device.running === digest) return `${id} runs it`;
      if (device.cameFrom === digest) return `${id} came from it`;
    }
    if (device.told.some((told) => told.untilMs > nowMs && told.digest === digest)) {
      return `${id} was told to install it, or to leave it`;
    }
  }
  for (const [id, pair] of model.pairs) {
    if (pair.repo === repo && pair.ends.includes(digest)) return `delta ${id} is of it`;
  }
  return undefined;
}

/** Whether a manifest is held by another by what is written in them. */
function heldByDocument(digest: Digest, by: Digest): boolean {
  if (digest === by) return true;
  const subject = DOCUMENTS.get(digest)?.subject;
  if (subject !== undefined && heldByDocument(subject, by)) return true;
  return [...DOCUMENTS.values()].some(
    ({ digest: parent, parts }) =>
      parts.some((part) => part.kind === 'manifest' && part.digest === digest) &&
      heldByDocument(parent, by),
  );
}
