import type { Selectable } from 'kysely';

import { parseDigest } from '../../digest.ts';
import { parseTag, type RepoName } from '../../names.ts';
import { parseOstreeChecksum } from '../../ostree/checksum.ts';
import { parseOstreeRef } from '../../ostree/ref-name.ts';
import type {
  DecisionRow,
  DeviceEvent,
  DeviceKind,
  DeviceRow,
  LiveCommit,
  LiveImage,
} from '../fleet-catalog.ts';
import type { Schema } from '../schema.ts';

export function toDevice(row: Selectable<Schema['devices']>): DeviceRow {
  const { id, product, region, current } = row;
  const facts = { id, product, region, seenMs: row.seen_ms };
  switch (row.kind) {
    case 'oci':
      return {
        ...facts,
        kind: 'oci',
        channel: parseTag(row.channel),
        platform: row.platform,
        ...(current !== null && { current: parseDigest(current) }),
      };
    case 'ostree':
      return {
        ...facts,
        kind: 'ostree',
        channel: parseOstreeRef(row.channel),
        ...(current !== null && { current: parseOstreeChecksum(current) }),
      };
  }
}

export function isDeviceOf<K extends DeviceKind>(
  kind: K,
  device: DeviceRow,
): device is Extract<DeviceRow, { readonly kind: K }> {
  return device.kind === kind;
}

interface LiveRow {
  readonly product: RepoName;
  readonly channel: string;
  readonly platform: string;
  readonly current: string;
}

export function toLiveImage({ product, channel, platform, current }: LiveRow): LiveImage {
  return { product, channel: parseTag(channel), platform, current: parseDigest(current) };
}

export function toLiveCommit({ product, channel, current }: LiveRow): LiveCommit {
  return { product, channel: parseOstreeRef(channel), current: parseOstreeChecksum(current) };
}

export function toDecision(row: Selectable<Schema['decisions']>): DecisionRow {
  const { id, product, from_digest: from, to_digest: to } = row;
  const facts = { id, deviceId: row.device_id, product, createdMs: row.created_ms };
  switch (row.kind) {
    case 'oci':
      return {
        ...facts,
        kind: 'oci',
        ...(from !== null && { from: parseDigest(from) }),
        to: parseDigest(to),
      };
    case 'ostree':
      return {
        ...facts,
        kind: 'ostree',
        ...(from !== null && { from: parseOstreeChecksum(from) }),
        to: parseOstreeChecksum(to),
      };
  }
}

export function toEvent(row: Selectable<Schema['events']>): DeviceEvent {
  return {
    seq: row.seq,
    type: row.type,
    atMs: row.at_ms,
    ...(row.plan !== null && { plan: row.plan }),
    ...(row.bytes !== null && { bytes: row.bytes }),
    ...(row.wire_bytes !== null && { wireBytes: row.wire_bytes }),
    ...(row.code !== null && { code: row.code }),
    ...(row.message !== null && { message: row.message }),
  };
}
