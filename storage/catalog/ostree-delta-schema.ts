import type { Generated, GeneratedAlways } from 'kysely';

import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';
import type { DeltaState } from './delta-catalog.ts';
import type { LeaseColumns } from './lease-columns.ts';

/** The tables of OSTree's static deltas as `ostree-delta-migration.ts` makes them. */
export interface OstreeDeltaSchema {
  ostree_deltas: {
    id: GeneratedAlways<number>;
    repo: RepoName;
    ref: OstreeRef;
    /** Empty for a delta from scratch. */
    from_checksum: OstreeChecksum | '';
    to_checksum: OstreeChecksum;
    state: DeltaState;
    attempts: Generated<number>;
    progress: Generated<number>;
    /** Not claimed before this. */
    due_ms: number;
    superblock_bytes: number | null;
    part_bytes: number | null;
    fallback_bytes: number | null;
    full_bytes: number | null;
    full_requests: number | null;
    requests: number | null;
    build_ms: number | null;
    apply_ms: number | null;
    reason: string | null;
    created_ms: number;
    updated_ms: number;
  } & LeaseColumns;
  ostree_delta_files: { delta: number; name: string; digest: Digest; size: number };
}
