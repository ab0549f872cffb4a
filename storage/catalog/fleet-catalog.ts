import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';
import type { Page } from './repository-catalog.ts';

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

/** Devices that have all of it in common. */
export interface DeviceCount extends Pick<
  DeviceRow,
  'product' | 'platform' | 'region' | 'current'
> {
  readonly devices: number;
}

/** Devices, what was decided for them, and what they reported. */
export interface FleetCatalog {
  /** Inserts or updates a device. */
  seen(device: DeviceRow): Promise<void>;
  device(id: string): Promise<DeviceRow | undefined>;
  devices(page: Page): Promise<readonly DeviceRow[]>;
  /** How many devices run what where. */
  counts(): Promise<readonly DeviceCount[]>;
  /** Distinct (product, channel, platform, current) of devices seen since `sinceMs`. */
  live(
    sinceMs: number,
  ): Promise<
    readonly (Pick<DeviceRow, 'product' | 'channel' | 'platform'> & { readonly current: Digest })[]
  >;
  /** Idempotent by id. */
  decide(decision: DecisionRow): Promise<void>;
  decision(id: string): Promise<DecisionRow | undefined>;
  /** Appends events not seen before (by `seq`); returns the `seq` of those that were new. `healthy` moves the device's `current`. */
  report(decisionId: string, events: readonly DeviceEvent[]): Promise<readonly number[]>;
  events(decisionId: string): Promise<readonly DeviceEvent[]>;
}
