import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';
import type { Lease } from './layer-catalog.ts';

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

/** Of one repository: pairs that are wanted, and those of them that are published or rejected. */
export interface DeltaCoverage {
  readonly repo: RepoName;
  readonly wanted: number;
  readonly done: number;
}

/** The matrix: one row a pair, claimed under a lease by whoever builds it. */
export interface DeltaCatalog {
  /**
   * Adds pending rows for pairs that are not there. A retired one becomes again what it was if it had
   * come to an end and its bytes are there for sure, since it was retired after `keptSinceMs` (a
   * collector's cutoff, or later), and pending otherwise. Returns how many rows were added or revived.
   */
  ensure(pairs: readonly DeltaPair[], keptSinceMs: number): Promise<number>;
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
  /** By repository with any row that is not retired: how many there are, and how many need no more work. */
  coverage(): Promise<readonly DeltaCoverage[]>;
}
