import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { Lease, StoredBlob } from './layer-catalog.ts';

export type ZstdChunkedState = 'pending' | 'building' | 'published' | 'refused';

/** A layer's zstd:chunked form: a composite blob, of which no object holds all bytes. */
export interface LayerFormRow {
  /** The layer as pushed. */
  readonly layer: Digest;
  /** The layer's chunk index, as it was: of a layer that was chunked anew the form is made anew. */
  readonly index: Digest;
  /** The composite, and its bytes. */
  readonly digest: Digest;
  readonly size: number;
  readonly map: StoredBlob;
  /** Bytes that no pack of the layer has. */
  readonly own: StoredBlob;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest or index of which a repository has, or will have, a zstd:chunked form. */
export interface ImageForm {
  readonly repo: RepoName;
  /** As pushed. */
  readonly source: Digest;
  readonly state: ZstdChunkedState;
  /** Claims so far. */
  readonly attempts: number;
  /** The form's own manifest; set once published. */
  readonly manifest?:
    { readonly digest: Digest; readonly size: number; readonly mediaType: string } | undefined;
  readonly reason?: string | undefined;
}

/** The zstd:chunked forms of layers, and those of images, which builders make. */
export interface ZstdChunkedCatalog {
  /** The layer's form; undefined if it was made by another index than the layer has now. */
  layerForm(layer: Digest): Promise<LayerFormRow | undefined>;
  /** The form whose composite is called so, whichever layer it is of. */
  composite(digest: Digest): Promise<LayerFormRow | undefined>;
  /** True if the repository has a layer of which that composite is the form. */
  mayServe(repo: RepoName, composite: Digest): Promise<boolean>;
  /** Composites in order, each once, after `after`. */
  composites(after: Digest | undefined, limit: number): Promise<readonly LayerFormRow[]>;
  /** `unavailable` if a collector took the map or the own bytes; `conflict` if the layer is no more. */
  putLayerForm(form: LayerFormRow): Promise<void>;

  /** Adds manifests of the repository that have no row yet as pending; returns how many. */
  ensure(repo: RepoName, sources: readonly Digest[]): Promise<number>;
  image(repo: RepoName, source: Digest): Promise<ImageForm | undefined>;
  /** The published form whose own manifest is called so. */
  published(repo: RepoName, digest: Digest): Promise<ImageForm | undefined>;
  /** Takes an image that is due, or one whose lease ran out. */
  claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly image: ImageForm; readonly lease: Lease } | undefined>;
  /** Extends the lease; this and the following: `conflict` when it was lost. */
  renew(image: ImageForm, lease: Lease, leaseMs: number): Promise<void>;
  /** Its manifest is stored. `unavailable` if a collector took it meanwhile. */
  publish(
    image: ImageForm,
    lease: Lease,
    manifest: StoredBlob & { readonly mediaType: string },
  ): Promise<void>;
  /** Gives the row back, due at `retryAtMs`, as if it had not been claimed. */
  postpone(image: ImageForm, lease: Lease, reason: string, retryAtMs: number): Promise<void>;
  /** Ends the try: for another at `retryAtMs`, or for none. */
  fail(
    image: ImageForm,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void>;
}
