import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { CompositeReader } from '../../storage/composite/composite-reader.ts';
import type { Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { UploadService } from '../../storage/upload/service.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Logger } from '../observe/logger.ts';

/** What the registry works on, and whom it asks and tells. */
export interface RegistryOptions {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** Reads the zstd:chunked forms of layers; undefined: none are served. */
  readonly composites?: CompositeReader | undefined;
  readonly uploads: UploadService;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Told after a manifest, and its tag if it has one, is durable; the push is answered afterwards,
   * and succeeds whatever this does.
   */
  readonly onManifest?:
    ((repo: RepoName, digest: Digest, tag: Tag | undefined) => Promise<void>) | undefined;
  /**
   * Asked before a request is carried out, with the repository it names (not yet checked), undefined
   * where it names none; throws to refuse. Without it everyone may do everything.
   */
  readonly authorize?: ((x: Exchange, repo: string | undefined) => void) | undefined;
  /** True if a caller that was let in may read that repository too; undefined means every one. */
  readonly mayPull?: ((x: Exchange, repo: string | undefined) => boolean) | undefined;
  /** True if the list of repositories may tell the caller of that one. */
  readonly mayList?: ((x: Exchange, repo: string) => boolean) | undefined;
}
