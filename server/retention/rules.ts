import type { RepoName } from '../../storage/names.ts';
import type { RetentionPolicy, RetentionRule } from '../../storage/retention/policy.ts';
import { matchesPattern } from '../auth/name-pattern.ts';

/** A rule as it is configured; durations are a number and `s`, `m`, `h`, `d` or `w`. */
export interface RetentionRuleConfig {
  /** Which repositories (`auth/name-pattern.ts`). */
  readonly repositories: string;
  /** Which of their tags; the first rule that fits a tag decides on it. */
  readonly tags?: string | undefined;
  /** Of those tags so many stay, the last that were pushed. */
  readonly keepLast?: number | undefined;
  /** And those that were pushed within this. */
  readonly keepYoungerThan?: string | undefined;
  /** Manifests that no tag names, nor anything that stays; the first such rule decides on them. */
  readonly untagged?: { readonly keepYoungerThan: string } | undefined;
  /** Commits of each OSTree ref that stay, its own included. */
  readonly commits?: { readonly keepLast: number } | undefined;
}

interface RetentionSettings {
  readonly retention: readonly RetentionRuleConfig[];
  readonly matrix: { readonly releases: number; readonly liveMs: number };
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** What the schema does not see in the rules. */
export function retentionFaults(rules: readonly RetentionRuleConfig[]): readonly string[] {
  return rules.flatMap((rule, n) => {
    const { tags, keepLast, keepYoungerThan, untagged, commits } = rule;
    if (tags !== undefined && keepLast === undefined && keepYoungerThan === undefined) {
      return [
        `retention.${n} names tags, but neither keepLast nor keepYoungerThan: none would stay`,
      ];
    }
    return tags === undefined && untagged === undefined && commits === undefined
      ? [`retention.${n} keeps nothing: it needs tags, untagged or commits`]
      : [];
  });
}

/** The rules for tags and manifests; what live devices, and the matrix's releases, hold is the matrix's. */
export function retentionPolicy({ retention, matrix }: RetentionSettings): RetentionPolicy {
  const { releases, liveMs } = matrix;
  return { releases, liveMs, rules: retention.map(toRule) };
}

function toRule(config: RetentionRuleConfig, n: number): RetentionRule {
  const { repositories, tags, keepLast, keepYoungerThan, untagged } = config;
  return {
    name: `retention.${n}`,
    repositories: (repo) => matchesPattern(repositories, repo),
    ...(tags !== undefined && {
      tags: {
        matches: (tag) => matchesPattern(tags, tag),
        last: keepLast,
        youngerThanMs: keepYoungerThan === undefined ? undefined : parseDuration(keepYoungerThan),
      },
    }),
    ...(untagged !== undefined && {
      untagged: { youngerThanMs: parseDuration(untagged.keepYoungerThan) },
    }),
  };
}

/** Of those repositories that a rule for commits fits, how many commits of each ref stay. */
export function keptCommits(
  rules: readonly RetentionRuleConfig[],
  repositories: readonly RepoName[],
): ReadonlyMap<RepoName, number> {
  const kept = new Map<RepoName, number>();
  for (const repo of repositories) {
    const rule = rules.find(
      ({ commits, repositories: pattern }) =>
        commits !== undefined && matchesPattern(pattern, repo),
    );
    if (rule?.commits !== undefined) kept.set(repo, rule.commits.keepLast);
  }
  return kept;
}

/** Milliseconds of a duration that the schema has passed. */
function parseDuration(text: string): number {
  return Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? NaN);
}
