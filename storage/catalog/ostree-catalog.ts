import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { ByteRange } from '../object-store.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeObjectName } from '../ostree/object-name.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';
import type { ChunkRow, StoredBlob } from './layer-catalog.ts';

/** Something that an object names. */
export interface OstreeChild extends OstreeObjectName {
  /** A commit's parent: what a commit is whole without, since history may be cut. */
  readonly history?: true | undefined;
}

/** A verified object whose content lies in packs. */
export interface OstreeObjectRecord {
  readonly name: OstreeObjectName;
  /** Bytes of the content, uncompressed; for metadata the object itself. */
  readonly size: number;
  /** A file's header as it goes into its checksum; none for metadata. */
  readonly header?: Uint8Array | undefined;
  /** The content's chunks in order; no chunks, no content. */
  readonly chunks: readonly ChunkRow[];
  readonly children: readonly OstreeChild[];
}

/** What is recorded at once. */
export interface OstreeBatch {
  readonly objects: readonly OstreeObjectRecord[];
  /** The batch's own new pack, stored already, if it brought any new chunk. */
  readonly pack?: StoredBlob | undefined;
  /** The new chunks, all in `pack`. */
  readonly newChunks: readonly ChunkRow[];
  /** Packs whose bytes were found gone: what lies there by the catalog's word now lies elsewhere. */
  readonly lostPacks: readonly Digest[];
}

/** An object as a repository serves it. */
export interface OstreeObjectRow {
  /** Bytes of the content, uncompressed. */
  readonly size: number;
  readonly header?: Buffer | undefined;
}

/** A chunk of an object's content. */
export interface OstreeChunkRow extends ChunkRow {
  /** First byte of the chunk in the content. */
  readonly start: number;
}

export interface OstreeListed extends OstreeObjectName {
  /** Bytes of the content, uncompressed. */
  readonly size: number;
}

export interface OstreeRefRow {
  readonly ref: OstreeRef;
  readonly checksum: OstreeChecksum;
  /** Bytes of the commit object. */
  readonly size: number;
  readonly updatedMs: number;
  /** Of the move that brought it there: {@link OstreeRefMove.id}. */
  readonly moveId: number;
}

/** One move of a ref. */
export interface OstreeRefMove {
  /** Ascending over the whole catalog. */
  readonly id: number;
  readonly checksum: OstreeChecksum;
  /** Where the ref was before. */
  readonly previous?: OstreeChecksum | undefined;
  readonly movedMs: number;
}

/** The mutable metadata of a commit: its signatures. */
export interface OstreeCommitmeta {
  readonly bytes: Buffer;
  readonly updatedMs: number;
}

/** The most that a commit's commitmeta may take: room for hundreds of signatures. */
export const MAX_COMMITMETA_BYTES = 1024 * 1024;

/**
 * OSTree repositories: which objects each may serve, what objects name, refs. An object's bytes and rows
 * are there once, however many repositories have it; that one repository has it says nothing to another.
 */
export interface OstreeCatalog {
  /**
   * Those of the names that the repository lacks, in their order. The others stay for the collector's
   * grace period from now on, with all they reach: a push asks, then relies on the answer.
   */
  missing(repo: RepoName, names: readonly OstreeObjectName[]): Promise<readonly OstreeObjectName[]>;
  /**
   * Records a batch and makes its objects part of the repository, in one transaction; idempotent. What
   * is known already keeps its size, header, children and chunks, but for chunks in lost packs.
   * `unavailable` when the pack is being collected; `conflict` when a pack that a chunk relies on was
   * collected meanwhile, or a chunk lies in none: store the objects anew.
   */
  addObjects(repo: RepoName, batch: OstreeBatch): Promise<void>;
  /** Undefined when the repository does not have it, even if another has. */
  object(repo: RepoName, name: OstreeObjectName): Promise<OstreeObjectRow | undefined>;
  /** The chunks of the content in order, or those that overlap the range; of any repository's object. */
  chunksOf(name: OstreeObjectName, range?: ByteRange): Promise<readonly OstreeChunkRow[]>;
  /** The packs in which contents of the objects lie, whoever has them, and which objects those are. */
  packsOf(
    names: readonly OstreeObjectName[],
  ): Promise<ReadonlyMap<Digest, readonly OstreeObjectName[]>>;
  /**
   * At most `limit` names that the commit reaches (its history apart) and the repository lacks. What a
   * lacking object names is not looked at, so more may follow once it is there; none means whole.
   */
  closureGaps(
    repo: RepoName,
    commit: OstreeChecksum,
    limit: number,
  ): Promise<readonly OstreeObjectName[]>;
  /** All that the repository has of what the commit reaches, the commit included, its history apart. */
  closure(
    repo: RepoName,
    commit: OstreeChecksum,
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<{ readonly objects: readonly OstreeListed[]; readonly next?: number | undefined }>;

  /**
   * Moves a ref if it is at `expected` (undefined: if there is none yet) or already at `to`. `conflict`
   * otherwise, with `detail.actual`, what it is now; `missing` when the repository lacks any of the
   * commit's closure, with `detail.missing`, the first of the names.
   */
  moveRef(
    repo: RepoName,
    ref: OstreeRef,
    to: OstreeChecksum,
    expected: OstreeChecksum | undefined | 'any',
  ): Promise<void>;
  /** Deletes a ref and its log; false if there was none. */
  deleteRef(repo: RepoName, ref: OstreeRef): Promise<boolean>;
  resolveRef(repo: RepoName, ref: OstreeRef): Promise<OstreeChecksum | undefined>;
  /** Every ref, by name in byte order; or only that one. */
  refs(repo: RepoName, only?: OstreeRef): Promise<readonly OstreeRefRow[]>;
  /** A ref's moves, newest first, each commit once (its newest), only commits that are still there. */
  refLog(repo: RepoName, ref: OstreeRef, limit: number): Promise<readonly OstreeRefMove[]>;
  /** Repositories that were ever pushed to, lexically. */
  repos(): Promise<readonly RepoName[]>;

  commitmeta(repo: RepoName, commit: OstreeChecksum): Promise<OstreeCommitmeta | undefined>;
  /**
   * Replaces a commit's commitmeta if it is `expected`, so that no signature is lost; `conflict`
   * otherwise. `missing` when the repository lacks the commit, `too_large` past {@link MAX_COMMITMETA_BYTES}.
   */
  putCommitmeta(
    repo: RepoName,
    commit: OstreeChecksum,
    bytes: Uint8Array,
    expected: Uint8Array | undefined | 'any',
  ): Promise<void>;
}
