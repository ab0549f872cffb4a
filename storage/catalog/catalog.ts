import type { Digest } from '../digest.ts';
import type { UploadId } from '../keys.ts';
import type { RepoName, Tag } from '../names.ts';

/**
 * The catalog: every mutable fact. Bytes are durable in the object store before a row names them.
 *
 * One interface a concern; SQLite implements all of them (`sqlite.ts`), PostgreSQL will share
 * the queries in `sql/`. Methods reject with `StorageError`: `conflict` when a row changed under the caller or a
 * lease was lost, `unavailable` when the database fails. Times are milliseconds since the epoch.
 */
export interface Catalog {
  readonly repositories: RepositoryCatalog;
  readonly uploads: UploadCatalog;
  readonly layers: LayerCatalog;
  readonly deltas: DeltaCatalog;
  readonly fleet: FleetCatalog;
  readonly tokens: TokenCatalog;
  readonly gc: GcCatalog;
  readonly audit: AuditCatalog;
  /** Cheap liveness probe of the database. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

// --- repositories: which blobs, manifests, tags and releases a repository has ---

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

/** What a manifest names; `manifest` for children of an index. */
export interface ManifestChild {
  readonly digest: Digest;
  readonly kind: 'config' | 'layer' | 'manifest';
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

export interface RepositoryCatalog {
  /** Names of repositories that have at least a blob or a manifest, lexically. */
  list(page: Page): Promise<readonly RepoName[]>;
  /** True if the repository has ever been pushed to. */
  exists(repo: RepoName): Promise<boolean>;

  /** Makes a stored blob part of a repository; idempotent. */
  linkBlob(repo: RepoName, digest: Digest, size: number): Promise<void>;
  hasBlob(repo: RepoName, digest: Digest): Promise<boolean>;
  /** Any repository that has the blob: for mounts without `from`. */
  findBlob(digest: Digest): Promise<RepoName | undefined>;
  /** Returns false if the repository did not have it. */
  unlinkBlob(repo: RepoName, digest: Digest): Promise<boolean>;

  /**
   * Records a manifest, what it names and, when given, the tag, in one transaction; idempotent.
   * Moving a tag to another digest appends a release.
   */
  putManifest(
    repo: RepoName,
    manifest: ManifestRow,
    children: readonly ManifestChild[],
    tag?: Tag,
  ): Promise<void>;
  getManifest(repo: RepoName, digest: Digest): Promise<ManifestRow | undefined>;
  children(repo: RepoName, digest: Digest): Promise<readonly ManifestChild[]>;
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

// --- uploads: a session is a row plus parts in the object store ---

export interface UploadPart {
  /** The session's byte at which the part begins. */
  readonly offset: number;
  readonly size: number;
  /** sha256 of the part alone. */
  readonly digest: Digest;
}

export interface UploadSession {
  readonly id: UploadId;
  readonly repo: RepoName;
  /** Bytes received so far. */
  readonly size: number;
  readonly parts: readonly UploadPart[];
  readonly updatedMs: number;
}

export interface UploadCatalog {
  create(id: UploadId, repo: RepoName): Promise<void>;
  get(id: UploadId): Promise<UploadSession | undefined>;
  /** Appends a stored part; `conflict` unless `part.offset` is the session's size. */
  append(id: UploadId, part: UploadPart): Promise<void>;
  /** Idempotent. */
  delete(id: UploadId): Promise<void>;
  /** Sessions untouched since `beforeMs`. */
  stale(beforeMs: number, limit: number): Promise<readonly UploadId[]>;
}

// --- layers: pushed blobs that are opened and chunked ---

export type LayerState =
  | 'pending'
  | 'chunking'
  | 'chunked'
  /** Not a tar that we can open; served as pushed, never a delta source. */
  | 'opaque';

export interface LayerRow {
  /** The blob as pushed. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly state: LayerState;
  /** The digest of the uncompressed tar; set when chunked. */
  readonly diffId?: Digest | undefined;
  /** Bytes of the uncompressed tar; set when chunked. */
  readonly rawSize?: number | undefined;
  /** The chunk index blob and its bytes; set when chunked. */
  readonly index?: { readonly digest: Digest; readonly size: number } | undefined;
  /** Why it is opaque. */
  readonly reason?: string | undefined;
}

/** Where a chunk's zstd frame lies. */
export interface ChunkLocation {
  readonly pack: Digest;
  /** First byte of the frame in the pack. */
  readonly offset: number;
  /** Bytes of the frame. */
  readonly length: number;
  /** Bytes of the chunk. */
  readonly rawLength: number;
}

export interface ChunkRow extends ChunkLocation {
  /** Digest of the uncompressed chunk. */
  readonly digest: Digest;
}

export interface ChunkedLayer {
  readonly diffId: Digest;
  readonly rawSize: number;
  readonly index: { readonly digest: Digest; readonly size: number };
  /** The layer's own new pack, if it brought any new chunk. */
  readonly pack?: { readonly digest: Digest; readonly size: number } | undefined;
  /** The new chunks, all in `pack`. */
  readonly newChunks: readonly ChunkRow[];
  /** Every pack that the index names. */
  readonly packs: readonly Digest[];
}

/** A claim on a row: only the holder of the newest fence may finish it. */
export interface Lease {
  readonly owner: string;
  /** Ascends with each claim of the row. */
  readonly fence: number;
}

export interface LayerCatalog {
  /** Adds the layer as pending if it is not known; idempotent. */
  ensure(digest: Digest, mediaType: string): Promise<void>;
  get(digest: Digest): Promise<LayerRow | undefined>;
  /** The chunked layer with that diff_id, whatever its compression. */
  byDiffId(diffId: Digest): Promise<LayerRow | undefined>;
  /** Takes a pending layer, or one whose lease ran out; undefined when there is none. */
  claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly layer: LayerRow; readonly lease: Lease } | undefined>;
  /** Extends the lease; `conflict` when it was lost. */
  renew(digest: Digest, lease: Lease, leaseMs: number): Promise<void>;
  /** `conflict` when the lease was lost. A chunk that is known already keeps its first location. */
  finish(digest: Digest, lease: Lease, result: ChunkedLayer): Promise<void>;
  /** Marks the layer opaque. */
  refuse(digest: Digest, lease: Lease, reason: string): Promise<void>;
  /** Gives the row back as pending, for another try. */
  release(digest: Digest, lease: Lease): Promise<void>;
  /** Locations of those chunks that are known. */
  findChunks(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, ChunkLocation>>;
  counts(): Promise<Readonly<Record<LayerState, number>>>;
}

// --- deltas: the matrix ---

export type DeltaState =
  | 'pending'
  | 'building'
  | 'proving'
  | 'published'
  /** Built and proved, but not smaller than what it replaces. */
  | 'rejected'
  /** Gave up after the attempts that policy allows. */
  | 'failed'
  /** No longer wanted; its bytes stay for an hour. */
  | 'retired';

/** One cell of the matrix: from one image manifest to another of the same platform. */
export interface DeltaPair {
  readonly repo: RepoName;
  readonly tag: Tag;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** Image manifest digests. */
  readonly from: Digest;
  readonly to: Digest;
}

export interface DeltaResult {
  readonly digest: Digest;
  /** Bytes of the delta. */
  readonly size: number;
  /** Bytes that a device without the delta would fetch: the target's layers that the base lacks, as pushed. */
  readonly fullSize: number;
  /** Memory the device needs to apply it. */
  readonly ramBytes: number;
  readonly buildMs: number;
  /** Of the proof: applied and every output digest compared. */
  readonly applyMs: number;
  /** New files by codec. */
  readonly codecs: Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;
}

export interface DeltaRow extends DeltaPair {
  readonly id: number;
  readonly state: DeltaState;
  readonly attempts: number;
  /** 0 to 1 while building or proving. */
  readonly progress: number;
  readonly result?: DeltaResult | undefined;
  /** Why it failed or was rejected. */
  readonly reason?: string | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface DeltaFilter {
  readonly repo?: RepoName | undefined;
  readonly tag?: Tag | undefined;
  readonly platform?: string | undefined;
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  readonly states?: readonly DeltaState[] | undefined;
  /** Exclusive: rows with a greater id. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export interface DeltaCatalog {
  /** Adds pending rows for pairs that are not there; a retired pair becomes pending again. Returns how many were added. */
  ensure(pairs: readonly DeltaPair[]): Promise<number>;
  /** Takes a pending row that is due, or one whose lease ran out; undefined when there is none. */
  claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly delta: DeltaRow; readonly lease: Lease } | undefined>;
  /** Notes the phase and its progress and extends the lease; `conflict` when it was lost. */
  progress(
    id: number,
    lease: Lease,
    state: 'building' | 'proving',
    progress: number,
    leaseMs: number,
  ): Promise<void>;
  /** The delta's bytes are durable and proved. `conflict` when the lease was lost. */
  publish(id: number, lease: Lease, result: DeltaResult): Promise<void>;
  reject(id: number, lease: Lease, reason: string, result: DeltaResult): Promise<void>;
  /** Another try at `retryAtMs`, or never again when that is undefined. */
  fail(id: number, lease: Lease, reason: string, retryAtMs: number | undefined): Promise<void>;
  /** Retires rows that policy no longer wants; rows under a lease included (their holder gets `conflict`). */
  retire(ids: readonly number[]): Promise<void>;
  get(id: number): Promise<DeltaRow | undefined>;
  /** Ascending by id. */
  list(filter: DeltaFilter): Promise<readonly DeltaRow[]>;
  counts(): Promise<Readonly<Record<DeltaState, number>>>;
}

// --- fleet: devices, decisions, events ---

export interface DeviceRow {
  readonly id: string;
  readonly product: RepoName;
  readonly channel: Tag;
  readonly platform: string;
  readonly region: string;
  /** The image manifest that it runs; undefined before the first install. */
  readonly current?: Digest | undefined;
  readonly seenMs: number;
}

export type DeviceEventType =
  'downloading' | 'applied' | 'booted' | 'healthy' | 'failed' | 'rolled_back';

export interface DecisionRow {
  readonly id: string;
  readonly deviceId: string;
  readonly product: RepoName;
  readonly from?: Digest | undefined;
  readonly to: Digest;
  readonly createdMs: number;
}

export interface DeviceEvent {
  /** Ascending per decision; the same number twice is the same event. */
  readonly seq: number;
  readonly type: DeviceEventType;
  readonly atMs: number;
  /** Which plan it concerns: `delta`, `chunks`, `full`. */
  readonly plan?: string | undefined;
  /** Bytes on the wire. */
  readonly bytes?: number | undefined;
  /** A stable code when it failed. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

export interface FleetCatalog {
  /** Inserts or updates a device. */
  seen(device: DeviceRow): Promise<void>;
  device(id: string): Promise<DeviceRow | undefined>;
  devices(page: Page): Promise<readonly DeviceRow[]>;
  /** Distinct (product, channel, platform, current) of devices seen since `sinceMs`. */
  live(
    sinceMs: number,
  ): Promise<
    readonly (Pick<DeviceRow, 'product' | 'channel' | 'platform'> & { readonly current: Digest })[]
  >;
  /** Idempotent by id. */
  decide(decision: DecisionRow): Promise<void>;
  decision(id: string): Promise<DecisionRow | undefined>;
  /** Appends events not seen before (by `seq`); returns how many were new. `healthy` moves the device's `current`. */
  report(decisionId: string, events: readonly DeviceEvent[]): Promise<number>;
  events(decisionId: string): Promise<readonly DeviceEvent[]>;
}

// --- gc: what nothing reaches any more (see storage/gc.ts) ---

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

// --- audit: which bytes must be there (see storage/fsck.ts) ---

/** Rows that name bytes; `child` is what a manifest names. */
export const AUDIT_SOURCES = ['manifest', 'child', 'blob', 'delta', 'pack', 'index'] as const;
export type AuditSource = (typeof AUDIT_SOURCES)[number];

export interface AuditCatalog {
  /** Digests that rows of a kind name, with the size they state; ascending, each once, after `after`. */
  expected(
    source: AuditSource,
    after: Digest | undefined,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly size?: number | undefined }[]>;
  /** What stops working without that blob, in words (`tag fleet/app:stable`): tags first, at most `limit`. */
  affected(digest: Digest, limit: number): Promise<readonly string[]>;
}

// --- tokens: who may do what ---

export interface TokenRow {
  /** Chosen by the operator; unique. */
  readonly name: string;
  /** What it grants, as `verb:pattern` (server/auth/grants.ts). */
  readonly grants: readonly string[];
  readonly createdMs: number;
  /** Never, when undefined. */
  readonly expiresMs?: number | undefined;
}

export interface TokenCatalog {
  /** Records a token by the digest of its secret; `conflict` when the name is taken. */
  create(secret: Digest, token: Omit<TokenRow, 'createdMs'>): Promise<void>;
  /** The token with that secret, expired ones included. */
  find(secret: Digest): Promise<TokenRow | undefined>;
  /** By name. */
  list(): Promise<readonly TokenRow[]>;
  /** False when there is no token of that name. */
  revoke(name: string): Promise<boolean>;
}
