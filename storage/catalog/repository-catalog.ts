import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';

export interface ManifestRow {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest itself. */
  readonly size: number;
  readonly subject?: Digest | undefined;
  /** As listed by referrers: `artifactType`, else the config's media type, none for an index. */
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What a manifest names, there or not; `manifest` for children of an index. */
export interface ManifestChild {
  readonly digest: Digest;
  readonly kind: 'config' | 'layer' | 'manifest';
  /** Its media type, if it is a layer that is to be chunked as soon as the repository has it. */
  readonly tarType?: string | undefined;
}

/** How a blob that is about to be named was stored. */
export interface StoredFacts {
  /** True if it was not there before. Unless it is, one that was collected moments ago is refused. */
  readonly created?: boolean | undefined;
}

export interface Release {
  /** Ascending over the whole catalog. */
  readonly id: number;
  readonly repo: RepoName;
  readonly tag: Tag;
  /** The index or manifest that the tag was moved to. */
  readonly digest: Digest;
  readonly pushedMs: number;
}

export interface Page {
  /** Exclusive: the last name of the page before. */
  readonly last?: string | undefined;
  readonly limit: number;
}

/** Which blobs, manifests, tags and releases a repository has. */
export interface RepositoryCatalog {
  /** Names of repositories that have at least a blob or a manifest, lexically. */
  list(page: Page): Promise<readonly RepoName[]>;
  /** True if the repository has ever been pushed to. */
  exists(repo: RepoName): Promise<boolean>;

  /**
   * Makes a stored blob part of a repository; idempotent. A layer that a manifest of the repository
   * waits for becomes pending. `unavailable` when a collector takes the blob, see `GcCatalog`.
   */
  linkBlob(repo: RepoName, digest: Digest, size: number, facts?: StoredFacts): Promise<void>;
  hasBlob(repo: RepoName, digest: Digest): Promise<boolean>;
  /** Bytes of a blob that the repository has. */
  blobSize(repo: RepoName, digest: Digest): Promise<number | undefined>;
  /** Any repository that has the blob: for mounts without `from`. */
  findBlob(digest: Digest): Promise<RepoName | undefined>;
  /** Returns false if the repository did not have it. */
  unlinkBlob(repo: RepoName, digest: Digest): Promise<boolean>;

  /**
   * Records a manifest, what it names and, when given, the tag, in one transaction; idempotent.
   * Its tar layers become pending if the repository has them. Moving a tag to another digest appends
   * a release. `unavailable` when a collector takes its bytes, or what it names, see `GcCatalog`.
   */
  putManifest(
    repo: RepoName,
    manifest: ManifestRow,
    children: readonly ManifestChild[],
    tag?: Tag,
    facts?: StoredFacts,
  ): Promise<void>;
  getManifest(repo: RepoName, digest: Digest): Promise<ManifestRow | undefined>;
  children(repo: RepoName, digest: Digest): Promise<readonly ManifestChild[]>;
  /** Those of the image manifests that the repository lacks, or of which it lacks a config or layer. */
  incomplete(repo: RepoName, images: readonly Digest[]): Promise<ReadonlySet<Digest>>;
  /** Deletes a manifest and every tag on it; false if there was none. */
  deleteManifest(repo: RepoName, digest: Digest): Promise<boolean>;
  /** Manifests of the repository whose subject is `digest`, oldest first. */
  referrers(repo: RepoName, digest: Digest, artifactType?: string): Promise<readonly ManifestRow[]>;

  resolveTag(repo: RepoName, tag: Tag): Promise<Digest | undefined>;
  tags(repo: RepoName, page: Page): Promise<readonly Tag[]>;
  deleteTag(repo: RepoName, tag: Tag): Promise<boolean>;

  /** Current tags of every repository with their newest release, for the matrix. */
  heads(): Promise<readonly Release[]>;
  /** A tag's releases, newest first, each digest once (its newest), only those whose manifest is still there. */
  releases(repo: RepoName, tag: Tag, limit: number): Promise<readonly Release[]>;
}
