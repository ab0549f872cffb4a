import type { Generated } from 'kysely';

import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { LeaseColumns } from './lease-columns.ts';
import type { ZstdChunkedState } from './zstd-chunked-catalog.ts';

/** The tables of zstd:chunked forms as `zstd-chunked-migration.ts` makes them. */
export interface ZstdChunkedSchema {
  zstd_chunked_layers: {
    layer: Digest;
    /** The chunk index that it was made by. */
    index_digest: Digest;
    digest: Digest;
    size: number;
    map_digest: Digest;
    map_size: number;
    own_digest: Digest;
    own_size: number;
    /** A JSON object of strings. */
    annotations: string;
  };
  zstd_chunked_images: {
    repo: RepoName;
    source: Digest;
    state: ZstdChunkedState;
    attempts: Generated<number>;
    /** Not claimed before this. */
    due_ms: number;
    digest: Digest | null;
    size: number | null;
    media_type: string | null;
    reason: string | null;
  } & LeaseColumns;
}
