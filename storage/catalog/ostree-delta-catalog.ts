import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';
import type { DeltaCoverage, DeltaState } from './delta-catalog.ts';
import type { Lease } from './layer-catalog.ts';

/** A static delta of a repository; `from` is undefined for one from scratch. */
export interface OstreeDeltaName {
  readonly repo: RepoName;
  readonly from: OstreeChecksum | undefined;
  readonly to: OstreeChecksum;
}

/** A cell of the matrix. Refs at one commit share their deltas: the first that wanted it is noted. */
export interface OstreeDeltaPair extends OstreeDeltaName {
  readonly ref: OstreeRef;
}

/** `superblock`, without the commitmeta that clients get in it, or the number of a part: `0`. */
export interface OstreeDeltaFile {
  readonly name: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** What a build came to; all sizes in bytes. */
export interface OstreeDeltaResult {
  /** Of the superblock, without commitmeta. */
  readonly superblockBytes: number;
  readonly partBytes: number;
  /** Of the objects that clients fetch beside the parts. */
  readonly fallbackBytes: number;
  /** Of what a pull without the delta takes: the loose objects that the base lacks. */
  readonly fullBytes: number;
  /** Requests of that pull: the loose objects. */
  readonly fullRequests: number;
  /** Requests of a pull with it: superblock, parts and fallbacks. */
  readonly requests: number;
  readonly buildMs: number;
  /** Of the proof: applied to the base and every object compared. */
  readonly applyMs: number;
}

export interface OstreeDeltaRow extends OstreeDeltaPair {
  readonly id: number;
  readonly state: DeltaState;
  readonly attempts: number;
  /** 0 to 1 while building or proving. */
  readonly progress: number;
  readonly result?: OstreeDeltaResult | undefined;
  /** Why it failed or was rejected. */
  readonly reason?: string | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface OstreeDeltaFilter {
  readonly repo?: RepoName | undefined;
  readonly ref?: OstreeRef | undefined;
  /** `scratch`: those from scratch alone. */
  readonly from?: OstreeChecksum | 'scratch' | undefined;
  readonly to?: OstreeChecksum | undefined;
  readonly states?: readonly DeltaState[] | undefined;
  /** Exclusive: rows with a greater id. */
  readonly after?: number | undefined;
  readonly limit: number;
}

/** What a pull takes without a static delta: about their bytes, and the objects that it asks for. */
export interface OstreeLoose {
  readonly bytes: number;
  readonly requests: number;
}

/** What is published to a commit. */
export interface OstreeDeltaServed {
  readonly name: OstreeDeltaName;
  /** Digest of the superblock's blob, without commitmeta. */
  readonly superblock: Digest;
}

/** The matrix of OSTree's static deltas: claims, leases and states as `DeltaCatalog` has them. */
export interface OstreeDeltaCatalog {
  /**
   * Adds pending rows for pairs that are not there. A retired one is published again if its files are
   * there for sure, since it was retired after `keptSinceMs` (a collector's cutoff, or later), and
   * pending otherwise. Returns how many rows were added or revived.
   */
  ensure(pairs: readonly OstreeDeltaPair[], keptSinceMs: number): Promise<number>;
  /** Takes a pending row that is due, or one whose lease ran out; undefined when there is none. */
  claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly delta: OstreeDeltaRow; readonly lease: Lease } | undefined>;
  /** Notes the phase and its progress and extends the lease; `conflict` when it was lost. */
  progress(
    id: number,
    lease: Lease,
    state: 'building' | 'proving',
    progress: number,
    leaseMs: number,
  ): Promise<void>;
  /** Keeps a stored file from the collector until the build ends; a file of that name is replaced. */
  keepFile(id: number, lease: Lease, file: OstreeDeltaFile): Promise<void>;
  /**
   * All files are durable and proved: from here on they are served, all at once. What other files an
   * earlier build kept goes. `conflict` when the lease was lost.
   */
  publish(
    id: number,
    lease: Lease,
    result: OstreeDeltaResult,
    files: readonly OstreeDeltaFile[],
  ): Promise<void>;
  /** Its files go. */
  reject(id: number, lease: Lease, reason: string, result: OstreeDeltaResult): Promise<void>;
  /** Another try at `retryAtMs`, or never again when that is undefined. */
  fail(id: number, lease: Lease, reason: string, retryAtMs: number | undefined): Promise<void>;
  /** Retires rows that policy no longer wants; rows under a lease included (their holder gets `conflict`). */
  retire(ids: readonly number[]): Promise<void>;
  get(id: number): Promise<OstreeDeltaRow | undefined>;
  /** Ascending by id. */
  list(filter: OstreeDeltaFilter): Promise<readonly OstreeDeltaRow[]>;
  counts(): Promise<Readonly<Record<DeltaState, number>>>;
  coverage(): Promise<readonly DeltaCoverage[]>;
  /** A file of a delta that is published, or was until it was retired after `keptSinceMs`. */
  file(
    delta: OstreeDeltaName,
    name: string,
    keptSinceMs: number,
  ): Promise<OstreeDeltaFile | undefined>;
  /**
   * What a pull takes without the delta, in the measure of {@link OstreeDeltaResult}'s `fullBytes` (as the
   * objects are stored): for pairs that nobody built. Looks at every object of both commits.
   */
  loose(delta: OstreeDeltaName): Promise<OstreeLoose>;
  /** All published deltas that lead to a commit, the one from scratch first. */
  published(repo: RepoName, to: OstreeChecksum): Promise<readonly OstreeDeltaServed[]>;
}
