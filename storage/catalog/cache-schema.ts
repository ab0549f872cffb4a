import type { Generated } from 'kysely';

import type { Digest } from '../digest.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';

/**
 * What a regional cache remembers, as `cache-migrations.ts` makes it. The bytes of blobs are sparse
 * files beside it, or objects in a bucket. Times are milliseconds since the epoch, sizes bytes.
 */
export interface CacheSchema {
  /** Blobs of which at least one block was asked for. */
  objects: {
    digest: Digest;
    size: number;
    /** Bytes on disk when the blob was last at rest. */
    bytes: number;
    /** 1 once the whole blob's digest was right. */
    complete: number;
    used_ms: number;
  };
  /** One row: the sums over `objects`, which its triggers keep. */
  object_totals: { count: number; complete_count: number; bytes: number };
  /** Of blobs in a bucket: which blocks are there, as `sparse/block-map.ts` says byte for byte. */
  block_maps: { digest: Digest; map: Buffer };
  /** One row: what this cache's keys in a bucket begin with, 16 hex digits. */
  sparse_owner: { owner: string };
  /** Manifests and indexes by digest, byte for byte. */
  manifests: {
    digest: Digest;
    media_type: string;
    body: Buffer;
    used_ms: number;
  };
  /** Where a tag last led. */
  tags: {
    /** As `ns=` names it; empty for the origin. */
    registry: string;
    repo: string;
    tag: string;
    digest: Digest;
    /** When the origin last said so. */
    checked_ms: number;
  };
  /** Which repositories have blobs and manifests that came from other registries than the origin. */
  members: {
    digest: Digest;
    /** Empty, as is `repo`: the origin has it. */
    registry: string;
    repo: string;
    /** When the registry last said so; 0: it said that the repository has it no more. */
    checked_ms: number;
  };
  /** Answers that change: tag lists, referrers, the releases; by path and query. */
  documents: {
    /** The origin's begin with a slash, those of a registry with its name. */
    path: string;
    etag: string | null;
    /** A JSON object of the headers that are kept. */
    headers: string;
    body: Buffer;
    checked_ms: number;
  };
  /** Versions that devices of this region run. */
  live: {
    product: string;
    channel: string;
    platform: string;
    current: Digest;
    seen_ms: number;
  };
  /** Commits that devices of this region run. */
  ostree_live: {
    repo: string;
    ref: string;
    checksum: OstreeChecksum;
    seen_ms: number;
  };
  /** What images are made of, of those that were a release or run here: a later release's chunks are told by it. */
  images: {
    manifest: Digest;
    /** JSON, see `cache-images.ts`. */
    layers: string;
    seen_ms: number;
  };
  /** Reports of devices that the origin has not taken yet, in the order they came. */
  reports: {
    id: Generated<number>;
    decision: string;
    device: string;
    /** Of the cache below that forwarded it; null: this cache's own. */
    region: string | null;
    body: Buffer;
    created_ms: number;
  };
  /** Files of OSTree repositories that never change. */
  ostree_files: {
    /** `{repo}/{path inside}`. */
    path: string;
    digest: Digest;
    size: number;
    /** The file itself when it is small; larger ones are blobs, in `objects`. */
    body: Buffer | null;
    /** Bytes of `body`, for sums that need not read it. */
    kept_bytes: number;
    used_ms: number;
  };
  /** Files of OSTree repositories that change. */
  ostree_documents: {
    /** `{repo}/{path inside}`. */
    path: string;
    /** Null: the origin has no such file. */
    body: Buffer | null;
    media_type: string | null;
    /** The origin's `Last-Modified`. */
    modified_ms: number | null;
    kept_bytes: number;
    /** When the origin last said so. */
    checked_ms: number;
  };
  /** Summaries with the signatures that belong to them. */
  ostree_summaries: {
    repo: string;
    /** Null: the origin has none. */
    summary: Buffer | null;
    /** Null: nobody signs it. */
    signatures: Buffer | null;
    modified_ms: number | null;
    checked_ms: number;
  };
}
