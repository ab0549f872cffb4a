import type { Generated, GeneratedAlways } from 'kysely';

import type { Digest } from '../digest.ts';
import type { UploadId } from '../keys.ts';
import type { RepoName, Tag } from '../names.ts';
import type { DeltaState } from './delta-catalog.ts';
import type { FleetSchema } from './fleet-schema.ts';
import type { LayerState } from './layer-catalog.ts';
import type { LeaseColumns } from './lease-columns.ts';
import type { OstreeBuildSchema } from './ostree-build-schema.ts';
import type { OstreeDeltaSchema } from './ostree-delta-schema.ts';
import type { OstreeSchema } from './ostree-schema.ts';
import type { ManifestChild } from './repository-catalog.ts';
import type { UploadPart } from './upload-catalog.ts';
import type { ZstdChunkedSchema } from './zstd-chunked-schema.ts';

/**
 * The catalog's tables as `migrations.ts` makes them. Names are compared byte by byte (SQLite's
 * BINARY, PostgreSQL's `collate "C"`). Times are milliseconds since the epoch, sizes bytes.
 */
export interface Schema
  extends OstreeSchema, OstreeDeltaSchema, OstreeBuildSchema, FleetSchema, ZstdChunkedSchema {
  repositories: { name: RepoName; created_ms: number };
  /** Which blobs a repository may serve; `linked_ms` is the newest push or mount. */
  repo_blobs: { repo: RepoName; digest: Digest; size: number; linked_ms: number };
  manifests: {
    id: GeneratedAlways<number>;
    repo: RepoName;
    digest: Digest;
    media_type: string;
    size: number;
    subject: Digest | null;
    artifact_type: string | null;
    /** A JSON object of strings. */
    annotations: string | null;
    /** When it was last pushed, named by another manifest, or lost a tag. */
    touched_ms: number;
  };
  manifest_children: {
    repo: RepoName;
    parent: Digest;
    /** Order in the manifest, from 0. */
    position: number;
    digest: Digest;
    kind: ManifestChild['kind'];
    tar_type: string | null;
  };
  tags: { repo: RepoName; name: Tag; digest: Digest; release_id: number };
  releases: {
    id: GeneratedAlways<number>;
    repo: RepoName;
    tag: Tag;
    digest: Digest;
    pushed_ms: number;
  };
  tokens: {
    name: string;
    /** Digest of the secret; the secret itself is nowhere. */
    secret_digest: Digest;
    /** A JSON list of `verb:pattern`. */
    grants: string;
    created_ms: number;
    expires_ms: number | null;
  };
  uploads: { id: UploadId; repo: RepoName; size: number; updated_ms: number };
  upload_parts: {
    upload_id: UploadId;
    first_byte: UploadPart['offset'];
    size: number;
    digest: Digest;
  };
  layers: {
    digest: Digest;
    media_type: string;
    state: LayerState;
    diff_id: Digest | null;
    raw_size: number | null;
    index_digest: Digest | null;
    index_size: number | null;
    reason: string | null;
    created_ms: number;
    updated_ms: number;
  } & LeaseColumns;
  /** Every pack that a layer's chunk index names. */
  layer_packs: { layer: Digest; pack: Digest };
  packs: { digest: Digest; size: number };
  chunks: {
    digest: Digest;
    pack: Digest;
    first_byte: number;
    length: number;
    raw_length: number;
  };
  deltas: {
    id: GeneratedAlways<number>;
    repo: RepoName;
    tag: Tag;
    platform: string;
    from_digest: Digest;
    to_digest: Digest;
    state: DeltaState;
    attempts: Generated<number>;
    progress: Generated<number>;
    /** Not claimed before this. */
    due_ms: number;
    digest: Digest | null;
    size: number | null;
    full_size: number | null;
    ram_bytes: number | null;
    build_ms: number | null;
    apply_ms: number | null;
    /** `DeltaResult.codecs` as JSON. */
    codecs: string | null;
    reason: string | null;
    created_ms: number;
    updated_ms: number;
  } & LeaseColumns;
  /**
   * Blobs that a collector removes right now (0) or removed moments ago (1), and what a repository
   * lost its link to moments ago (2), until `until_ms`.
   */
  condemned: { digest: Digest; until_ms: number; removed: 0 | 1 | 2 };
  /** One row; `epoch` ascends whenever a blob leaves a repository or is condemned (triggers). */
  removals: { id: 1; epoch: number };
  /** At most one row, of the periodic collector: under whose lease it runs, and when it last ended. */
  gc_runs: { id: 1; ended_ms: number } & LeaseColumns;
  /** Secrets that sign registry tokens (HS256), base64url. */
  signing_keys: { id: string; secret: string; created_ms: number };
}
