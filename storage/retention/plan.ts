import type {
  RetainedManifest,
  RetainedTag,
  RetentionFacts,
} from '../catalog/retention-catalog.ts';
import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';
import { judgeTags } from './judge-tags.ts';
import { ManifestGraph } from './manifest-graph.ts';
import type { RetentionPolicy, RetentionRule } from './policy.ts';

/** A tag, or a manifest without one, and what becomes of it. */
export interface Verdict {
  readonly repo: RepoName;
  readonly tag?: Tag | undefined;
  readonly digest: Digest;
  readonly goes: boolean;
  /** Why it stays, or which rule lets it go. */
  readonly why: string;
  /** When it was pushed; without a tag, when it was last used. */
  readonly sinceMs: number;
}

/** What the policy says of one repository. */
export interface RepositoryPlan {
  readonly repo: RepoName;
  /** Each tag; and manifests without one that go, or that stay only because they are in use. */
  readonly verdicts: readonly Verdict[];
  /** Those that go, in the order in which they have to. */
  readonly tags: readonly RetainedTag[];
  /** Manifests that go, and the verdict by which: the last of those that go and hold it, untagged ones after tags. */
  readonly because: ReadonlyMap<Digest, Verdict>;
  /**
   * What goes with a tag, or without one, in steps: an index before its images, a subject before its
   * referrers.
   */
  readonly stepsOf: (tag: Tag | undefined) => readonly (readonly RetainedManifest[])[];
}

/**
 * Decides what of a repository goes. A tag that goes takes along what nothing else holds: its manifest,
 * the images of an index, what refers to any of it. Never goes what is in use: tags that live devices
 * follow or run, images that they run or were told to install, targets of deltas that are offered, what
 * a staying tag may be rolled back to, and all that these hold.
 */
export function planRepository(
  repo: RepoName,
  facts: RetentionFacts,
  policy: RetentionPolicy,
  nowMs: number,
): RepositoryPlan {
  const rules = policy.rules.filter((rule) => rule.repositories(repo));
  const graph = new ManifestGraph(facts);
  const tags = judgeTags(repo, facts, rules, graph, nowMs);
  const uses = usesOf(
    facts,
    tags.filter(({ goes }) => !goes),
    policy.releases,
  );
  const because = new Map<Digest, Verdict>();
  for (const verdict of tags.filter(({ goes }) => goes)) {
    for (const digest of graph.heldBy([verdict.digest])) because.set(digest, verdict);
  }
  const rule = rules.find(({ untagged }) => untagged !== undefined);
  const tagged = new Set(facts.tags.map(({ digest }) => digest));
  const loose = facts.manifests.filter(({ digest }) => !tagged.has(digest) && !because.has(digest));
  const young = loose.filter((manifest) => !isOld(manifest, rule, nowMs));
  const held = graph.heldBy([...uses.keys(), ...young.map(({ digest }) => digest)]);
  for (const digest of held) because.delete(digest);
  const untagged = loose
    .filter((manifest) => isOld(manifest, rule, nowMs))
    .flatMap(({ digest, touchedMs }): readonly Verdict[] => {
      const why = uses.get(digest);
      if (held.has(digest) && why === undefined) return [];
      const goes = !held.has(digest);
      const verdict = { repo, digest, goes, why: why ?? rule?.name ?? '', sinceMs: touchedMs };
      if (goes) {
        // What a tag would take along goes after all that holds it, so not before this.
        for (const below of graph.heldBy([digest])) {
          if (because.get(below)?.tag !== undefined) because.set(below, verdict);
        }
        because.set(digest, verdict);
      }
      return [verdict];
    });
  const going = new Set(tags.flatMap(({ goes, tag }) => (goes ? [tag] : [])));
  return {
    repo,
    verdicts: [...tags, ...untagged],
    tags: facts.tags.filter(({ tag }) => going.has(tag)),
    because,
    stepsOf: (tag) =>
      graph.inSteps([...because].flatMap(([digest, by]) => (by.tag === tag ? [digest] : []))),
  };
}

function isOld(
  { touchedMs }: RetainedManifest,
  rule: RetentionRule | undefined,
  nowMs: number,
): boolean {
  const youngerThanMs = rule?.untagged?.youngerThanMs;
  return youngerThanMs !== undefined && touchedMs <= nowMs - youngerThanMs;
}

/** What is in use, and why. */
function usesOf(
  facts: RetentionFacts,
  staying: readonly Verdict[],
  releases: number,
): ReadonlyMap<Digest, string> {
  const uses = new Map<Digest, string>();
  const note = (digests: readonly Digest[], why: string): void => {
    for (const digest of digests) if (!uses.has(digest)) uses.set(digest, why);
  };
  for (const { tag, digest } of staying) note([digest], `${tag ?? ''} names it`);
  note(facts.running, 'live devices run it');
  note(facts.decided, 'live devices were told to install it, or came from it');
  note(facts.offered, 'a delta to it is offered, or being built');
  for (const { tag } of staying) {
    const earlier = facts.releases.filter((release) => release.tag === tag).slice(0, releases);
    note(
      earlier.map(({ digest }) => digest),
      `${tag ?? ''} may be rolled back to it`,
    );
  }
  return uses;
}
