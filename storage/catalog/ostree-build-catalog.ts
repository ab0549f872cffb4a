import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';

/** Refs of a repository that move together, once it is published. */
export interface OstreeBuild {
  readonly id: string;
  readonly repo: RepoName;
  readonly isPublished: boolean;
}

export interface OstreeBuildRef {
  readonly ref: OstreeRef;
  readonly commit: OstreeChecksum;
}

/** Builds that are open: what clients of flat-manager's API upload between creating one and publishing it. */
export interface OstreeBuildCatalog {
  /**
   * Opens one under a fresh id, after forgetting those that nobody touched since `untouchedSinceMs`; false
   * when `limit` others are open.
   */
  create(
    id: string,
    repo: RepoName,
    bounds: { readonly untouchedSinceMs: number; readonly limit: number },
  ): Promise<boolean>;
  get(id: string): Promise<OstreeBuild | undefined>;
  /** Names a ref's commit, in place of an earlier one; false when it has `limit` others. `missing` without the build. */
  setRef(id: string, ref: OstreeBuildRef, limit: number): Promise<boolean>;
  /** In the order of their names. */
  refs(id: string): Promise<readonly OstreeBuildRef[]>;
  /** Idempotent. */
  markPublished(id: string): Promise<void>;
  /** Idempotent; its refs go with it. */
  remove(id: string): Promise<void>;
}
