import type { RetainedTag, RetentionFacts } from '../catalog/retention-catalog.ts';
import type { RepoName } from '../names.ts';
import type { ManifestGraph } from './manifest-graph.ts';
import type { Verdict } from './plan.ts';
import type { RetentionRule } from './policy.ts';

/** Decides on each tag, in the order of their names. */
export function judgeTags(
  repo: RepoName,
  facts: RetentionFacts,
  rules: readonly RetentionRule[],
  graph: ManifestGraph,
  nowMs: number,
): readonly Verdict[] {
  const running = new Set(facts.running);
  const followed = new Set(facts.followed);
  const ranks = ranksOf(facts.tags, rules);
  const isRun = ({ digest }: RetainedTag): boolean =>
    [...graph.below(digest)].some((below) => running.has(below));
  const keptBy = (tag: RetainedTag, rule: RetentionRule | undefined): string | undefined => {
    if (rule === undefined) return 'no rule is for it';
    const { last = 0, youngerThanMs } = rule.tags ?? {};
    if ((ranks.get(tag) ?? 0) < last) return `${rule.name}: one of the last ${last}`;
    if (youngerThanMs !== undefined && tag.pushedMs > nowMs - youngerThanMs) {
      return `${rule.name}: young`;
    }
    if (followed.has(tag.tag)) return 'live devices follow it';
    return isRun(tag) ? 'live devices run it' : undefined;
  };
  return facts.tags.map((tag) => {
    const rule = ruleOf(tag, rules);
    const kept = keptBy(tag, rule);
    return {
      ...{ repo, tag: tag.tag, digest: tag.digest, sinceMs: tag.pushedMs },
      goes: kept === undefined,
      why: kept ?? rule?.name ?? '',
    };
  });
}

function ruleOf({ tag }: RetainedTag, rules: readonly RetentionRule[]): RetentionRule | undefined {
  return rules.find(({ tags }) => tags?.matches(tag) === true);
}

/** How many tags of the same rule were pushed after each. */
function ranksOf(
  tags: readonly RetainedTag[],
  rules: readonly RetentionRule[],
): ReadonlyMap<RetainedTag, number> {
  const ranks = new Map<RetainedTag, number>();
  const seen = new Map<RetentionRule | undefined, number>();
  for (const tag of tags.toSorted((a, b) => b.releaseId - a.releaseId)) {
    const rule = ruleOf(tag, rules);
    const rank = seen.get(rule) ?? 0;
    ranks.set(tag, rank);
    seen.set(rule, rank + 1);
  }
  return ranks;
}
