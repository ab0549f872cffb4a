import { join } from 'node:path';

import { digestAlgorithm, digestHex, type Digest } from '../../storage/digest.ts';

export type SlotName = 'a' | 'b';

/** Every path of a device's folder; STATE.md says what each holds and in which order it is written. */
export interface DevicePaths {
  readonly root: string;
  readonly config: string;
  readonly state: string;
  readonly usage: string;
  readonly tlsSessions: string;
  readonly lock: string;
  readonly current: string;
  readonly slots: string;
  /** Older whole releases, see `kept.ts`. */
  readonly kept: string;
  readonly fetch: string;
  readonly reports: string;
}

export function devicePaths(root: string): DevicePaths {
  return {
    root,
    config: join(root, 'config.json'),
    state: join(root, 'state.json'),
    usage: join(root, 'usage.json'),
    tlsSessions: join(root, 'tls-sessions.json'),
    lock: join(root, 'lock'),
    current: join(root, 'current'),
    slots: join(root, 'slots'),
    kept: join(root, 'kept'),
    fetch: join(root, 'fetch'),
    reports: join(root, 'reports'),
  };
}

export function slotPath(paths: DevicePaths, slot: SlotName): string {
  return join(paths.slots, slot);
}

export function otherSlot(slot: SlotName | undefined): SlotName {
  return slot === 'a' ? 'b' : 'a';
}

/** A blob's file inside an OCI layout (OCI image layout 1.1, "Blobs"). */
export function layoutBlob(layout: string, digest: Digest): string {
  return join(layout, 'blobs', digestAlgorithm(digest), digestHex(digest));
}

/** The stem of a download's files: `<algorithm>-<hex>`. */
export function fetchStem(paths: DevicePaths, digest: Digest): string {
  return join(paths.fetch, `${digestAlgorithm(digest)}-${digestHex(digest)}`);
}
