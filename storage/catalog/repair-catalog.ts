import type { Digest } from '../digest.ts';
import type { OstreeObjectName } from '../ostree/object-name.ts';
import type { RepoName } from '../names.ts';
import type { ChunkedLayer, ChunkRow, LayerRow, StoredBlob } from './layer-catalog.ts';
import type { ManifestChild, ManifestRow } from './repository-catalog.ts';

/** A row that names another row which is not there. */
export interface DanglingRow {
  /** The table of the row, and the columns that name the other one. */
  readonly reference: ReferenceName;
  /** What the row names, for people and for {@link RepairCatalog.removeDangling}. */
  readonly key: readonly string[];
}

/** References between rows: a table and what it names. */
export type ReferenceName =
  | 'tags to manifests'
  | 'manifest_children to manifests'
  | 'upload_parts to uploads'
  | 'layer_packs to layers'
  | 'layer_packs to packs'
  | 'chunks to packs'
  | 'ostree_object_chunks to packs'
  | 'ostree_object_chunks to ostree_objects'
  | 'ostree_edges to ostree_objects'
  | 'ostree_repo_objects to ostree_objects'
  | 'ostree_delta_files to ostree_deltas';

/** A manifest of a repository, as its row says. */
export interface RepoManifest {
  readonly repo: RepoName;
  readonly row: ManifestRow;
}

/** Where chunks lie from now on. */
export interface MovedChunks {
  readonly from: Digest;
  readonly to: StoredBlob;
  /** All in the pack `to`. */
  readonly chunks: readonly ChunkRow[];
}

/** What a repair of the store changes in the catalog; each method is one transaction. */
export interface RepairCatalog {
  /** Rows whose reference leads nowhere, at most `limit` of each kind. */
  dangling(limit: number): Promise<readonly DanglingRow[]>;
  /**
   * Removes a dangling row; does nothing once it no longer dangles. An OSTree object that names one
   * which is gone counts as missing afterwards, so that it is pushed again.
   */
  removeDangling(row: DanglingRow): Promise<void>;
  /** Adds the row of a pack that is in the store; `unavailable` while a collector removes it. */
  restorePack(pack: Digest, size: number): Promise<void>;
  /** Tells servers that the blob's bytes are gone: what they remember of it counts no more. */
  noteLost(digest: Digest, rememberUntilMs: number): Promise<void>;
  /** Takes {@link noteLost} back: the blob is there again. */
  noteBack(digest: Digest): Promise<void>;
  /** Writes the size that the whole blob has into every row that states one. */
  correctSize(digest: Digest, size: number): Promise<void>;
  /** Published deltas of images and of commits that consist of the blob are built again; returns how many. */
  rebuildDeltas(digest: Digest): Promise<number>;
  /** Chunked layers whose index the blob is, or whose index names it as a pack. */
  layersOf(blob: Digest): Promise<readonly LayerRow[]>;
  /** Chunked layers by digest after `after`. */
  chunkedLayers(after: Digest | undefined, limit: number): Promise<readonly LayerRow[]>;
  /** Manifests by repository and digest after `after`. */
  manifests(after: RepoManifest | undefined, limit: number): Promise<readonly RepoManifest[]>;
  /**
   * Writes what a manifest is and names into the rows that it has; nothing if it was deleted. Layers that
   * it wants chunked become pending. `unavailable` when a collector takes what it names, see `GcCatalog`.
   */
  correctManifest(
    repo: RepoName,
    row: ManifestRow,
    children: readonly ManifestChild[],
  ): Promise<void>;
  /** Packs that rows say the layer's index names. */
  packsOfLayer(layer: Digest): Promise<readonly Digest[]>;
  /** Makes chunked layers pending: their indexes and packs are no longer named. */
  rechunk(layers: readonly Digest[]): Promise<void>;
  /** Puts the packs that a layer's index names, and its chunks' places in them, into rows. */
  relocate(layer: Digest, index: Pick<ChunkedLayer, 'newChunks' | 'packs'>): Promise<void>;
  /** Forgets a pack as a place of chunks for layers to come, and its row unless an object or a layer needs it; true if the row is gone. */
  forgetPack(pack: Digest): Promise<boolean>;
  /** Places in a pack that OSTree objects name, by offset, each once. */
  ostreePlaces(pack: Digest): Promise<readonly ChunkRow[]>;
  /** Any other place of a chunk. */
  otherPlaces(chunk: Digest, than: Digest): Promise<readonly ChunkRow[]>;
  /**
   * OSTree objects find those chunks in another pack from now on, and so do layers to come; `unavailable`
   * while a collector removes it.
   */
  moveChunks(moved: MovedChunks): Promise<void>;
  /** Bytes of an OSTree object's content; undefined when it is not stored. */
  contentSize(name: OstreeObjectName): Promise<number | undefined>;
  /** An OSTree object counts as missing in every repository: a push sends it again. */
  forgetContent(name: OstreeObjectName): Promise<void>;
}
