import type { Digest } from '../digest.ts';

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

/** A blob that was stored just now. */
export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
  /** False if it was there already, and unless stated: then `unavailable` if it was collected meanwhile. */
  readonly created?: boolean | undefined;
}

export interface ChunkedLayer {
  readonly diffId: Digest;
  readonly rawSize: number;
  readonly index: StoredBlob;
  /** The layer's own new pack, if it brought any new chunk. */
  readonly pack?: StoredBlob | undefined;
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

/** Pushed layers that are opened and chunked, and where each chunk lies. */
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
  /** `conflict` when the lease was lost. A chunk that another pack has already lies in both from now on. */
  finish(digest: Digest, lease: Lease, result: ChunkedLayer): Promise<void>;
  /** Marks the layer opaque. */
  refuse(digest: Digest, lease: Lease, reason: string): Promise<void>;
  /** Gives the row back as pending, for another try. */
  release(digest: Digest, lease: Lease): Promise<void>;
  /** Every place of those chunks, those of one chunk by pack; none of a chunk that is not known. */
  findChunks(digests: readonly Digest[]): Promise<readonly ChunkRow[]>;
  counts(): Promise<Readonly<Record<LayerState, number>>>;
}
