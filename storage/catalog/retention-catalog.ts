import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';

/** A tag where it is now. */
export interface RetainedTag {
  readonly tag: Tag;
  readonly digest: Digest;
  /** When it was moved there. */
  readonly pushedMs: number;
  /** Of the move that brought it there: a later one makes another. */
  readonly releaseId: number;
}

export interface RetainedManifest {
  readonly digest: Digest;
  /** When it was last pushed, named by another manifest, or lost a tag. */
  readonly touchedMs: number;
  readonly subject?: Digest | undefined;
}

/** What a repository has, and what of it is in use. */
export interface RetentionFacts {
  readonly tags: readonly RetainedTag[];
  readonly manifests: readonly RetainedManifest[];
  /** Which manifests of the repository an index names. */
  readonly children: readonly { readonly parent: Digest; readonly child: Digest }[];
  /** Earlier releases of each tag whose manifest is still there, the newest first, each digest once. */
  readonly releases: readonly { readonly tag: Tag; readonly digest: Digest }[];
  /** Images that live devices run. */
  readonly running: readonly Digest[];
  /** Tags that live devices follow. */
  readonly followed: readonly Tag[];
  /** Images that devices were lately told to install, or to leave, and those that live devices came from. */
  readonly decided: readonly Digest[];
  /** Targets of published deltas; both ends of those that are being built. */
  readonly offered: readonly Digest[];
}

/** A blob that a manifest names. */
export interface NamedBlob {
  readonly parent: Digest;
  readonly digest: Digest;
  readonly size: number;
  /** How many manifests name it, in all repositories. */
  readonly names: number;
}

/** A manifest's own blob. */
export interface ManifestBlob {
  readonly digest: Digest;
  readonly size: number;
  /** How many repositories have it. */
  readonly names: number;
}

/** The catalog's side of retention by policy. A device is live if it was seen since `liveSinceMs`. */
export interface RetentionCatalog {
  facts(repo: RepoName, liveSinceMs: number): Promise<RetentionFacts>;
  /** The blobs behind manifests of the repository; a blob of several comes with each. */
  blobsOf(
    repo: RepoName,
    manifests: readonly Digest[],
  ): Promise<{ readonly manifests: readonly ManifestBlob[]; readonly blobs: readonly NamedBlob[] }>;
  /**
   * Deletes a tag, then manifests step by step, in one transaction; returns which of these are gone.
   * Undefined, and nothing is done, when the tag was moved or deleted since, or a live device follows it
   * by now. Of the manifests those stay that were touched since, have a tag, are named by another manifest
   * of the repository, refer to one that is there, or are among what live devices or deltas use by now, as in
   * {@link RetentionFacts}. For some minutes a push
   * that names one that went is refused with `unavailable`.
   */
  drop(
    repo: RepoName,
    tag: RetainedTag | undefined,
    steps: readonly (readonly RetainedManifest[])[],
    liveSinceMs: number,
  ): Promise<readonly Digest[] | undefined>;
}
