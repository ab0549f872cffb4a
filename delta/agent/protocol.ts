import type { Digest } from '../../storage/digest.ts';
import type { OstreePlanKind, OstreeReleases } from './ostree-protocol.ts';

/**
 * What travels between device, regional cache and origin: `POST /v1/check`,
 * `POST /v1/decisions/{id}/events` and `GET /v1/releases`. openapi.yaml holds the same as schemas.
 * A device is identified by the request ({@link DEVICE_HEADER} until certificates and tokens are
 * configured), never by the body.
 */
export const DEVICE_HEADER = 'rivulet-device';
/** Sent by a regional cache with what it forwards: its region and the base URL devices know it by. */
export const REGION_HEADER = 'rivulet-region';
export const CACHE_URL_HEADER = 'rivulet-cache-url';
/** Why a check was answered 204. */
export const REASON_HEADER = 'rivulet-reason';
/** Seconds since a cache last heard from its origin, on what it answers from memory. */
export const AGE_HEADER = 'rivulet-age';

export type PlanKind = 'delta' | 'chunks' | 'full';

/** Of images; `ostree-protocol.ts` has that of OSTree's commits. */
export interface CheckRequest {
  /** Says that the product is images: so does its absence. */
  readonly kind?: 'oci' | undefined;
  /** The repository that holds the product's images. */
  readonly product: string;
  /** The tag that the device follows. */
  readonly channel: string;
  readonly os: string;
  readonly arch: string;
  readonly variant?: string | undefined;
  readonly region?: string | undefined;
  /** What runs now: the image manifest's digest; empty before the first install. */
  readonly current: readonly {
    readonly kind: 'oci';
    readonly name: string;
    readonly digest: Digest;
  }[];
  /** Plans that the device can carry out; absent, all of them: an idle device says it 744 times a month. */
  readonly accept?: readonly PlanKind[] | undefined;
  readonly freeBytes?: number | undefined;
  readonly metered?: boolean | undefined;
  readonly lastResult?: string | undefined;
}

export type NoUpdateReason =
  | 'up_to_date'
  /** The channel or the platform has no release. */
  | 'no_release'
  /** The delta from the current version is being built and proved. */
  | 'delta_building'
  /** Nothing that the device accepts leads to the target. */
  | 'no_plan';

/** The answer 200; 204 carries {@link REASON_HEADER} and `Retry-After`. */
export interface Decision {
  /** Names the decision in events. */
  readonly id: string;
  readonly product: string;
  readonly channel: string;
  readonly platform: string;
  readonly target: {
    /** The image manifest. */
    readonly digest: Digest;
    /** Bytes of the manifest. */
    readonly size: number;
    /** Ascends with each release of the catalog. */
    readonly releaseCounter: number;
  };
  /** What the decision starts from; absent on a first install. */
  readonly from?: Digest | undefined;
  /** In the order to try. Every plan ends in the same target digest. */
  readonly plans: readonly Plan[];
  /** Bases of blob URLs, each ending in `/v1/blobs/`; the region's cache first, the origin last. */
  readonly blobs: readonly string[];
  /** Milliseconds since the epoch; after it the device checks again. */
  readonly expiresMs: number;
  /** Everything that this decision may cost on the wire, all plans and tries together. */
  readonly maxBytes?: number | undefined;
  /** Bytes per second that downloads may take. */
  readonly maxBps?: number | undefined;
  /** Milliseconds since the epoch; before it the device downloads nothing. */
  readonly notBeforeMs?: number | undefined;
  /** When the release may be activated, beside the device's own window. */
  readonly installWindow?: InstallWindowText | undefined;
  /** A device on a metered link may pull the image whole: there is no other way for it. */
  readonly meteredFull?: boolean | undefined;
}

/** `Mon-Fri 02:00-05:00; Sat,Sun 22:00-06:00` in an IANA time zone. */
export interface InstallWindowText {
  readonly window: string;
  readonly zone: string;
}

interface PlanBase {
  /** Bytes of bodies on the wire; an upper bound for `chunks`. */
  readonly size: number;
  /** Memory that the device needs, beside the bare process. */
  readonly ramBytes: number;
  /** Disk that it needs beside the new layers, at most. */
  readonly diskBytes?: number | undefined;
  /** Bytes that it writes to the disk, at most; absent where a layer's size is not known. */
  readonly writeBytes?: number | undefined;
}

/** One delta blob from the layers of `from`. */
export interface DeltaPlan extends PlanBase {
  readonly kind: 'delta';
  /** The delta blob. */
  readonly digest: Digest;
  readonly from: Digest;
  /** The form of the base that the proof used: the layers' uncompressed tars. */
  readonly source: 'layers';
}

/** Chunks that the device lacks, by range from packs. */
export interface ChunksPlan extends PlanBase {
  readonly kind: 'chunks';
  /** The image manifest. */
  readonly digest: Digest;
  readonly layers: readonly {
    readonly diffId: Digest;
    /** Bytes of the uncompressed tar. */
    readonly rawSize: number;
    readonly index: { readonly digest: Digest; readonly size: number };
  }[];
}

/** Manifest, config and layers as pushed; layers whose diff_id the device has are not fetched. */
export interface FullPlan extends PlanBase {
  readonly kind: 'full';
  /** The image manifest. */
  readonly digest: Digest;
}

export type Plan = DeltaPlan | ChunksPlan | FullPlan;

export type EventType = 'downloading' | 'applied' | 'booted' | 'healthy' | 'failed' | 'rolled_back';

/** Idempotent by `seq` within a decision. */
export interface ReportedEvent {
  readonly seq: number;
  readonly type: EventType;
  readonly atMs: number;
  readonly plan?: PlanKind | OstreePlanKind | undefined;
  /** Bytes of bodies for this plan. */
  readonly bytes?: number | undefined;
  /**
   * What the release has cost on the wire until then, as the device counted: all plans, tries and runs,
   * both ways, heads and TLS included. Servers of before it was added refuse it.
   */
  readonly wireBytes?: number | undefined;
  /** A stable code when it failed. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

/** The decision is repeated, so that a report of one that a cache took alone can be filed. */
export interface EventsRequest {
  readonly kind?: 'oci' | undefined;
  readonly decision: {
    readonly product: string;
    readonly channel: string;
    readonly platform: string;
    readonly region?: string | undefined;
    readonly from?: Digest | undefined;
    readonly to: Digest;
  };
  readonly events: readonly ReportedEvent[];
}

/** All that deciding needs of one channel: what a cache keeps to answer without its origin. */
export interface ReleaseFacts {
  readonly product: string;
  readonly channel: string;
  readonly releaseCounter: number;
  /** The index or manifest that the tag names. */
  readonly digest: Digest;
  readonly pushedMs: number;
  readonly platforms: readonly PlatformFacts[];
  /** How devices may take it; the first that names a device's region holds. */
  readonly paces?: readonly PaceFacts[] | undefined;
}

/** Of the configuration of the origin, told to caches that have to answer alone. */
export interface PaceFacts extends Pick<Decision, 'maxBps' | 'notBeforeMs' | 'installWindow'> {
  /** A pattern of regions. */
  readonly regions: string;
}

export interface PlatformFacts {
  readonly platform: string;
  readonly manifest: { readonly digest: Digest; readonly size: number };
  readonly config: { readonly digest: Digest; readonly size: number };
  readonly layers: readonly {
    /** As pushed. */
    readonly digest: Digest;
    readonly size: number;
    readonly diffId: Digest;
    /** Present once the layer is chunked. */
    readonly rawSize?: number | undefined;
    readonly index?: { readonly digest: Digest; readonly size: number } | undefined;
  }[];
  /** Published deltas that end here. */
  readonly deltas: readonly {
    readonly from: Digest;
    readonly digest: Digest;
    readonly size: number;
    readonly ramBytes: number;
  }[];
  /** Versions whose delta is pending, building or proving. */
  readonly building: readonly Digest[];
}

/** `GET /v1/releases`. */
export interface ReleasesResponse {
  readonly releases: readonly ReleaseFacts[];
  /** Absent from origins that do not tell of OSTree here. */
  readonly ostree?: OstreeReleases | undefined;
}
