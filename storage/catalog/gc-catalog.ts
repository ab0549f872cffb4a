import type { Digest } from '../digest.ts';

/** What is young enough to be spared. */
export interface GcCutoff {
  /** Links and layers from before this count only while a manifest names the blob. */
  readonly unnamedBeforeMs: number;
  /** Deltas that left the matrix before this have no more claim to their bytes. */
  readonly retiredBeforeMs: number;
}

/** Rows that nothing needs, and the bytes behind them. */
export interface GcRows {
  /** Blobs of repositories that none of the repository's manifests names. */
  readonly links: number;
  /** Layers that no repository has. */
  readonly layers: number;
  /** Packs that no layer's chunk index names; their chunks go with them. */
  readonly packs: number;
}

/**
 * The collector's side of the catalog. To name a blob that is condemned rejects with `unavailable`;
 * to name, as a manifest's child, one that was removed moments ago does so too, until it is linked again.
 */
export interface GcCatalog {
  /** How many rows {@link prune} would remove in all. */
  prunable(cutoff: GcCutoff): Promise<GcRows>;
  /** Removes at most `limit` rows of each kind; zeros when nothing is left. */
  prune(cutoff: GcCutoff, limit: number): Promise<GcRows>;
  /** Those of the digests whose bytes must stay even once all is pruned. */
  reachable(digests: readonly Digest[], cutoff: GcCutoff): Promise<ReadonlySet<Digest>>;
  /** Condemns those of the digests that no row names, until `untilMs`, and returns them. */
  condemn(
    digests: readonly Digest[],
    cutoff: GcCutoff,
    untilMs: number,
  ): Promise<ReadonlySet<Digest>>;
  /** Ends the condemnation: `removed` are gone, `kept` are as before. */
  settle(
    removed: readonly Digest[],
    kept: readonly Digest[],
    rememberUntilMs: number,
  ): Promise<void>;
}
