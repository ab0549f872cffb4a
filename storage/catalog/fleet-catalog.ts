import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';

interface DeviceFacts {
  readonly id: string;
  /** The repository that holds what it runs. */
  readonly product: RepoName;
  readonly region: string;
  readonly seenMs: number;
}

/** A device as it follows images. */
export interface ImageDevice extends DeviceFacts {
  readonly kind: 'oci';
  readonly channel: Tag;
  readonly platform: string;
  /** The image manifest that it runs; undefined before the first install. */
  readonly current?: Digest | undefined;
}

/** A device as it follows an OSTree ref, which says by itself what it is for. */
export interface OstreeDevice extends DeviceFacts {
  readonly kind: 'ostree';
  readonly channel: OstreeRef;
  /** The commit that it runs; undefined before the first install. */
  readonly current?: OstreeChecksum | undefined;
}

/** A device has a row of each kind at most: its system may be a commit, and what runs on it an image. */
export type DeviceRow = ImageDevice | OstreeDevice;
export type DeviceKind = DeviceRow['kind'];

export type DeviceEventType =
  'downloading' | 'applied' | 'booted' | 'healthy' | 'failed' | 'rolled_back';

interface DecisionFacts {
  readonly id: string;
  readonly deviceId: string;
  readonly product: RepoName;
  readonly createdMs: number;
}

export interface ImageDecision extends DecisionFacts {
  readonly kind: 'oci';
  readonly from?: Digest | undefined;
  readonly to: Digest;
}

export interface OstreeCommitDecision extends DecisionFacts {
  readonly kind: 'ostree';
  readonly from?: OstreeChecksum | undefined;
  readonly to: OstreeChecksum;
}

export type DecisionRow = ImageDecision | OstreeCommitDecision;

export interface DeviceEvent {
  /** Ascending per decision; the same number twice is the same event. */
  readonly seq: number;
  readonly type: DeviceEventType;
  readonly atMs: number;
  /** Which plan it concerns: `delta`, `chunks`, `full`, `ostree-delta`, `ostree-objects`. */
  readonly plan?: string | undefined;
  /** Bytes of bodies. */
  readonly bytes?: number | undefined;
  /** What the release has cost on the wire until then, heads and TLS included; not every client counts it. */
  readonly wireBytes?: number | undefined;
  /** A stable code when it failed. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

/** What an update cost a device, by its last event that told of bytes. */
export interface UpdateCost extends Pick<DeviceEvent, 'type' | 'atMs' | 'plan' | 'wireBytes'> {
  readonly deviceId: string;
  readonly kind: DeviceKind;
  readonly to: Digest | OstreeChecksum;
  readonly bytes: number;
}

/** Devices that have all of it in common. */
export interface DeviceCount extends Pick<DeviceFacts, 'product' | 'region'> {
  readonly kind: DeviceKind;
  /** Absent for OSTree. */
  readonly platform?: string | undefined;
  readonly current?: Digest | OstreeChecksum | undefined;
  readonly devices: number;
}

/** Where a list of devices goes on: behind that row, or behind all rows of the device. */
export interface DevicePage {
  readonly last?: { readonly id: string; readonly kind?: DeviceKind | undefined } | undefined;
  readonly limit: number;
}

/** An image that devices run. */
export type LiveImage = Pick<ImageDevice, 'product' | 'channel' | 'platform'> & {
  readonly current: Digest;
};

/** A commit that devices run. */
export type LiveCommit = Pick<OstreeDevice, 'product' | 'channel'> & {
  readonly current: OstreeChecksum;
};

/** Devices, what was decided for them, and what they reported. */
export interface FleetCatalog {
  /** Inserts or updates a device. */
  seen(device: DeviceRow): Promise<void>;
  device<K extends DeviceKind>(
    id: string,
    kind: K,
  ): Promise<Extract<DeviceRow, { readonly kind: K }> | undefined>;
  /** By id, then kind. */
  devices(page: DevicePage): Promise<readonly DeviceRow[]>;
  /** How many devices run what where. */
  counts(): Promise<readonly DeviceCount[]>;
  /** What devices seen since `sinceMs` run, each once. */
  liveImages(sinceMs: number): Promise<readonly LiveImage[]>;
  liveCommits(sinceMs: number): Promise<readonly LiveCommit[]>;
  /** Idempotent by id. */
  decide(decision: DecisionRow): Promise<void>;
  decision(id: string): Promise<DecisionRow | undefined>;
  /**
   * Appends events not seen before (by `seq`); returns the `seq` of those that were new. `healthy` moves
   * the `current` of the device's row of that kind.
   */
  report(decisionId: string, events: readonly DeviceEvent[]): Promise<readonly number[]>;
  events(decisionId: string): Promise<readonly DeviceEvent[]>;
  /** The last update of each of these devices that told of bytes, once for each kind; by id, then kind. */
  lastCosts(deviceIds: readonly string[]): Promise<readonly UpdateCost[]>;
}
