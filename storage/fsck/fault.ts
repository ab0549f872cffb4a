import type { DanglingRow, RepoManifest } from '../catalog/repair-catalog.ts';
import type { Digest } from '../digest.ts';
import type { ManifestFacts } from './manifests.ts';
import type { ObjectKey } from '../keys.ts';
import type { OstreeObjectName } from '../ostree/object-name.ts';

export type FsckFaultKind =
  /** Bytes that are not those of their digest. */
  | 'corrupt'
  /** A row names bytes that are not there. */
  | 'missing'
  /** More or fewer bytes than a row says. */
  | 'wrong_size'
  /** The store fails on reading it. */
  | 'unreadable'
  /** An object under a key that holds no blob. */
  | 'misplaced'
  /** A row names another row that is not there. */
  | 'dangling'
  /** Rows of a layer or a manifest that say something else than its chunk index or its bytes, or lack what they say. */
  | 'wrong_row';

/** What became of a fault. */
export interface FsckRepair {
  /** False when something that is named stays broken. */
  readonly repaired: boolean;
  /** What was done, and what is left to do, in words. */
  readonly did: string;
}

export interface FsckFault {
  readonly kind: FsckFaultKind;
  /** The blob's digest, an OSTree object's kind and checksum, a row, or the key where there is none of them. */
  readonly subject: string;
  /** What stops working, in words. */
  readonly affects: string;
  /** Only of a check that repairs. */
  readonly repair?: FsckRepair | undefined;
}

/** What a fault is about, for whoever repairs it. */
export type FaultSubject =
  | { readonly type: 'blob'; readonly digest: Digest }
  | { readonly type: 'object'; readonly name: OstreeObjectName }
  | { readonly type: 'stray'; readonly key: ObjectKey }
  | { readonly type: 'row'; readonly row: DanglingRow }
  | { readonly type: 'layer'; readonly layer: Digest }
  | { readonly type: 'manifest'; readonly manifest: RepoManifest; readonly facts: ManifestFacts };

/** A fault as the check finds it. */
export interface FoundFault extends FsckFault {
  readonly about: FaultSubject;
}
