import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { Lease } from './layer-catalog.ts';

/** What is young enough to be spared. */
export interface GcCutoff {
  /** Links and layers from before this count only while a manifest names the blob. */
  readonly unnamedBeforeMs: number;
  /** Deltas that left the matrix before this have no more claim to their bytes. */
  readonly retiredBeforeMs: number;
  /** Commits kept of each OSTree ref: where it is, and so many less one by its log, and by parents. */
  readonly keptCommits: number;
  /** The same for the refs of those repositories. */
  readonly keptCommitsIn?: ReadonlyMap<RepoName, number> | undefined;
  /**
   * What a device seen since then runs, may be rolled back to, or was told to install since then stays
   * while the ref that the device follows is there.
   */
  readonly liveSinceMs: number;
}

/** Rows that nothing needs, and the bytes behind them. */
export interface GcRows {
  /** Blobs of repositories that none of the repository's manifests names. */
  readonly links: number;
  /** Layers that no repository has. */
  readonly layers: number;
  /** Packs that no layer's chunk index names, nor any OSTree object; their chunks go with them. */
  readonly packs: number;
  /** OSTree objects of repositories that none of the repository's refs reaches. */
  readonly ostreeLinks: number;
  /** OSTree objects that no repository has. */
  readonly ostreeObjects: number;
  /** Deltas of images that left the matrix. */
  readonly deltas: number;
  /** Static deltas that left the matrix; their files are named by them alone. */
  readonly ostreeDeltas: number;
}

/** Where a pass over OSTree's links stands: after this one. */
export interface OstreeLinkPlace {
  readonly repo: RepoName;
  readonly object: number;
}

/**
 * The collector's side of the catalog. To name a blob that is condemned rejects with `unavailable`. So
 * does naming one that was removed moments ago, unless the caller has stored it anew, and, as a
 * manifest's child, one to which the repository lost its link moments ago, until it is linked again.
 */
export interface GcCatalog {
  /** How many rows {@link prune} would remove in all. */
  prunable(cutoff: GcCutoff): Promise<GcRows>;
  /**
   * Removes at most `limit` rows of each kind but OSTree's links and objects, a quarter as many packs, whose
   * chunks go along; zeros when nothing is left.
   */
  prune(cutoff: GcCutoff, limit: number): Promise<Omit<GcRows, 'ostreeLinks' | 'ostreeObjects'>>;
  /**
   * Looks at some links of OSTree objects and removes those that nothing in their repository names: an
   * object is held by each parent that the repository has, a commit by refs alone, and whatever was
   * pushed lately stays. What only removed objects named may be left to another pass: all that can
   * go is gone once a whole pass removes nothing. Holds no lock for more than `limit` rows at once.
   */
  pruneOstreeLinks(
    cutoff: GcCutoff,
    after: OstreeLinkPlace | undefined,
    limit: number,
  ): Promise<{ readonly removed: number; readonly next?: OstreeLinkPlace | undefined }>;
  /** The same for objects that no repository has; one pass is enough. */
  pruneOstreeObjects(
    cutoff: GcCutoff,
    after: number | undefined,
    limit: number,
  ): Promise<{ readonly removed: number; readonly next?: number | undefined }>;
  /** Those of the digests whose bytes must stay even once all is pruned. */
  reachable(digests: readonly Digest[], cutoff: GcCutoff): Promise<ReadonlySet<Digest>>;
  /**
   * Condemns those of the digests that no row names, until `untilMs`, and returns them; not what another
   * collector condemns, or has removed moments ago.
   */
  condemn(
    digests: readonly Digest[],
    cutoff: GcCutoff,
    untilMs: number,
  ): Promise<ReadonlySet<Digest>>;
  /**
   * Ends the condemnation that lasts until `untilMs`. Until `rememberUntilMs` what is `removed` can be
   * named by those alone who store it anew, and what is `kept` by a manifest only where it is linked, as
   * if the link had been pruned just now. One that another collector took over is that one's to end.
   */
  settle(
    removed: readonly Digest[],
    kept: readonly Digest[],
    untilMs: number,
    rememberUntilMs: number,
  ): Promise<void>;
  /** When the last of the periodic collector's runs ended; undefined before the first. */
  lastRunMs(): Promise<number | undefined>;
  /**
   * Gives the periodic collector's turn to `owner` for `leaseMs`; undefined while another has it, or when
   * the last ended less than `everyMs` ago; one that ended in the future was told so by a clock that was
   * wrong, and counts for nothing. It only spares work: collectors may run side by side.
   */
  beginRun(
    owner: string,
    times: { readonly everyMs: number; readonly leaseMs: number },
  ): Promise<Lease | undefined>;
  /** Throws `conflict` when another has the turn by now. */
  renewRun(lease: Lease, leaseMs: number): Promise<void>;
  /** Gives the turn back; `done`: the next begins `everyMs` from now. Throws as {@link renewRun}. */
  endRun(lease: Lease, done: boolean): Promise<void>;
}
