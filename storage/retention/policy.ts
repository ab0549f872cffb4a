import type { RepoName, Tag } from '../names.ts';

/** How tags of a repository stay: at least one of the two is given, and either keeps a tag. */
export interface TagLimits {
  readonly matches: (tag: Tag) => boolean;
  /** The last so many of them, by push time. */
  readonly last?: number | undefined;
  readonly youngerThanMs?: number | undefined;
}

/** One rule; the first that fits a tag, or a repository's untagged manifests, decides on them. */
export interface RetentionRule {
  /** For people: where it is stated. */
  readonly name: string;
  readonly repositories: (repo: RepoName) => boolean;
  readonly tags?: TagLimits | undefined;
  /** Manifests that no tag names, nor anything that stays. */
  readonly untagged?: { readonly youngerThanMs: number } | undefined;
}

/** What is kept of tags and manifests; what no rule fits stays. */
export interface RetentionPolicy {
  readonly rules: readonly RetentionRule[];
  /** Releases before the current one of a tag that stay with it: what it may be rolled back to. */
  readonly releases: number;
  /** A device that was seen within this is live. */
  readonly liveMs: number;
}
