import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { RepoName } from '../../storage/names.ts';
import type { OstreeRef } from '../../storage/ostree/ref-name.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Contract } from '../http/validate.ts';
import type { FilezCache } from './filez-cache.ts';
import type { ShieldOptions } from './shield.ts';
import type { SigningPolicies } from './signing/policies.ts';

/** What a request to a repository does. */
export type OstreeVerb = 'pull' | 'push';

/** What OSTree repositories are served from, and whom they ask. */
export interface OstreeOptions {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** A folder for what is on its way in. */
  readonly scratch: string;
  readonly filez: FilezCache;
  readonly policies: SigningPolicies;
  readonly contract: Contract;
  readonly clock: Clock;
  /** Told of a ref that has moved, before its push is answered. */
  readonly onRefMoved?: ((repo: RepoName, ref: OstreeRef) => Promise<void>) | undefined;
  /** Bounds and the clock of the shield for old clients; the default is for everyday use. */
  readonly shield?: ShieldOptions | undefined;
  /** Throws unless the caller may do that with the repository. Without it everyone may do everything. */
  readonly authorize?: ((x: Exchange, repo: string, verb: OstreeVerb) => void) | undefined;
}
