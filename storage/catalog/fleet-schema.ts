import type { Digest } from '../digest.ts';
import type { RepoName, Tag } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';
import type { DeviceEventType, DeviceKind } from './fleet-catalog.ts';

/** The fleet's tables. Of kind `oci` channels are tags and versions digests of manifests; of kind `ostree`, refs and commits. */
export interface FleetSchema {
  devices: {
    id: string;
    kind: DeviceKind;
    product: RepoName;
    channel: Tag | OstreeRef;
    /** Empty for OSTree. */
    platform: string;
    region: string;
    current: Digest | OstreeChecksum | null;
    seen_ms: number;
  };
  decisions: {
    id: string;
    kind: DeviceKind;
    device_id: string;
    product: RepoName;
    from_digest: Digest | OstreeChecksum | null;
    to_digest: Digest | OstreeChecksum;
    created_ms: number;
  };
  events: {
    decision_id: string;
    seq: number;
    type: DeviceEventType;
    at_ms: number;
    plan: string | null;
    bytes: number | null;
    wire_bytes: number | null;
    code: string | null;
    message: string | null;
  };
}
