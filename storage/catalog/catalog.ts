import type { AuditCatalog } from './audit-catalog.ts';
import type { DeltaCatalog } from './delta-catalog.ts';
import type { FleetCatalog } from './fleet-catalog.ts';
import type { GcCatalog } from './gc-catalog.ts';
import type { LayerCatalog } from './layer-catalog.ts';
import type { OstreeBuildCatalog } from './ostree-build-catalog.ts';
import type { OstreeCatalog } from './ostree-catalog.ts';
import type { OstreeDeltaCatalog } from './ostree-delta-catalog.ts';
import type { RepositoryCatalog } from './repository-catalog.ts';
import type { RetentionCatalog } from './retention-catalog.ts';
import type { SigningKeyCatalog } from './signing-key-catalog.ts';
import type { TokenCatalog } from './token-catalog.ts';
import type { UploadCatalog } from './upload-catalog.ts';
import type { ZstdChunkedCatalog } from './zstd-chunked-catalog.ts';

/**
 * The catalog: every mutable fact. Bytes are durable in the object store before a row names them.
 *
 * One interface a concern; SQLite (`sqlite.ts`) and PostgreSQL (`postgres/catalog.ts`) share the queries in
 * `sql/`. Methods reject with `StorageError`: `conflict` when a row changed under the caller or a
 * lease was lost, `unavailable` when the database fails. Times are milliseconds since the epoch.
 */
export interface Catalog {
  readonly repositories: RepositoryCatalog;
  readonly uploads: UploadCatalog;
  readonly layers: LayerCatalog;
  readonly deltas: DeltaCatalog;
  readonly ostree: OstreeCatalog;
  readonly ostreeDeltas: OstreeDeltaCatalog;
  readonly ostreeBuilds: OstreeBuildCatalog;
  readonly fleet: FleetCatalog;
  readonly tokens: TokenCatalog;
  readonly signingKeys: SigningKeyCatalog;
  readonly zstdChunked: ZstdChunkedCatalog;
  readonly gc: GcCatalog;
  readonly retention: RetentionCatalog;
  readonly audit: AuditCatalog;
  /**
   * A number that changes whenever a blob or an OSTree object leaves a repository or a collector
   * condemns a blob, in any process: what was looked up under the same number still holds. Answers at once, in microseconds.
   * On PostgreSQL removals of other processes are known within a second, usually milliseconds; this process's
   * own before they are acknowledged, as everywhere. Undefined when the database can't tell: what was looked
   * up must be looked up again.
   */
  removalEpoch(): number | undefined;
  /** Cheap liveness probe of the database. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
