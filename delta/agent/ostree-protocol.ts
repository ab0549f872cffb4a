import type { OstreeChecksum } from '../../storage/ostree/checksum.ts';
import type { ReportedEvent } from './protocol.ts';

/**
 * What travels when the product is an OSTree repository: the same requests as in `protocol.ts`, told
 * apart by `kind: 'ostree'` in their bodies. The device is a stock
 * `ostree`: it is told which commit to pull from where and what that takes, and pulls by itself.
 */
export type OstreePlanKind = 'ostree-delta' | 'ostree-objects';

export interface OstreeCheckRequest {
  readonly kind: 'ostree';
  /** The repository. */
  readonly product: string;
  /** The ref that the device follows. */
  readonly channel: string;
  readonly region?: string | undefined;
  /** What runs now; empty before the first install. `name` is a repository, `ref` only told. */
  readonly current: readonly {
    readonly kind: 'ostree';
    readonly name: string;
    readonly ref?: string | undefined;
    readonly commit: OstreeChecksum;
  }[];
  /** Plans that the device can carry out. */
  readonly accept: readonly OstreePlanKind[];
  readonly freeBytes?: number | undefined;
  readonly metered?: boolean | undefined;
  readonly lastResult?: string | undefined;
}

/** The answer 200. */
export interface OstreeDecision {
  readonly kind: 'ostree';
  /** Names the decision in events. */
  readonly id: string;
  readonly product: string;
  readonly channel: string;
  readonly target: {
    readonly kind: 'ostree';
    readonly repo: string;
    readonly ref: string;
    readonly commit: OstreeChecksum;
    /** Ascends with each move of a ref in the catalog. */
    readonly releaseCounter: number;
  };
  /** What the decision starts from; absent on a first install. */
  readonly from?: OstreeChecksum | undefined;
  /** In the order to try. */
  readonly plans: readonly OstreePlan[];
  /** URLs of the repository, as `ostree pull --url` takes them; the region's cache first, the origin last. */
  readonly repositories: readonly string[];
  /** Milliseconds since the epoch; after it the device checks again. */
  readonly expiresMs: number;
}

/** What a transfer takes: bytes of bodies, and how many requests they come in. */
export interface OstreeTransfer {
  readonly bytes: number;
  readonly requests: number;
}

/** The static delta, from scratch where `from` is absent; what it does not hold comes as objects. */
export interface OstreeDeltaPlan {
  readonly kind: 'ostree-delta';
  readonly from?: OstreeChecksum | undefined;
  /** Bytes of superblock, parts and fallbacks together. */
  readonly size: number;
  /** With the commit's signatures, as clients get it. */
  readonly superblockBytes: number;
  readonly partBytes: number;
  /** Of objects that are fetched beside the parts. */
  readonly fallbackBytes: number;
  readonly requests: number;
}

/** The objects that `from` lacks, one by one. */
export interface OstreeObjectsPlan {
  readonly kind: 'ostree-objects';
  readonly from?: OstreeChecksum | undefined;
  /** Measured on the objects as they are stored, or a little less; of the whole commit where `from` is unknown. */
  readonly size: number;
  readonly requests: number;
}

export type OstreePlan = OstreeDeltaPlan | OstreeObjectsPlan;

/** As `EventsRequest`. */
export interface OstreeEventsRequest {
  readonly kind: 'ostree';
  readonly decision: {
    readonly product: string;
    readonly channel: string;
    readonly region?: string | undefined;
    readonly from?: OstreeChecksum | undefined;
    readonly to: OstreeChecksum;
  };
  readonly events: readonly ReportedEvent[];
}

/** All that deciding needs of one ref. */
export interface OstreeFacts {
  readonly product: string;
  readonly channel: string;
  readonly releaseCounter: number;
  /** Where the ref is. */
  readonly commit: OstreeChecksum;
  readonly movedMs: number;
  /** A first pull without a static delta. */
  readonly whole: OstreeTransfer;
  /** What is known of ways to the commit. */
  readonly steps: readonly OstreeStep[];
  /** Commits whose static delta to it is pending, building or proving. */
  readonly building: readonly OstreeChecksum[];
}

export interface OstreeStep {
  /** Absent from scratch. */
  readonly from?: OstreeChecksum | undefined;
  /** A pull without a static delta. */
  readonly objects: OstreeTransfer;
  /** The published static delta. */
  readonly delta?: Omit<OstreeDeltaPlan, 'kind' | 'from' | 'size'> | undefined;
}

/** `GET /v1/releases`, of OSTree. */
export interface OstreeReleases {
  readonly refs: readonly OstreeFacts[];
  /** False when there were more refs than one answer tells: one that is not told may exist. */
  readonly complete: boolean;
}
