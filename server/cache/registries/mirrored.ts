import type { CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Logger } from '../../observe/logger.ts';
import type { BlobCache } from '../blob-cache.ts';
import { DocumentCache } from '../document-cache.ts';
import { ManifestCache } from '../manifest-cache.ts';
import { sendCachedBlob, sendRegistryBlob } from '../send-cached-blob.ts';
import { UpstreamBlobs } from '../upstream-blobs.ts';
import type { ForeignCheck } from './foreign-check.ts';
import { RegistryMembers } from './registry-members.ts';
import type { RegistrySource } from './sources.ts';

/** One registry as clients of the cache read it. */
export interface MirroredRegistry {
  readonly source: RegistrySource;
  readonly manifests: ManifestCache;
  readonly documents: DocumentCache;
  readonly sendBlob: (x: Exchange, repo: RepoName, digest: Digest) => Promise<void>;
}

export interface MirrorOptions {
  readonly catalog: Pick<CacheCatalog, 'manifests' | 'documents' | 'members'>;
  readonly blobs: BlobCache;
  readonly tagTtlMs: number;
  readonly pinned: () => ReadonlySet<Digest>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The origin: what lies here is its own, but for what only other registries have. */
export function mirrorOrigin(
  source: RegistrySource,
  foreign: ForeignCheck,
  options: MirrorOptions,
): MirroredRegistry {
  const { catalog, blobs } = options;
  const gate = {
    admitManifest: (repo: RepoName, digest: Digest) => foreign.admitManifest(repo, digest),
    note: (_repo: RepoName, digest: Digest) => foreign.note(digest),
  };
  return {
    source,
    manifests: new ManifestCache({ ...options, manifests: catalog.manifests, source, gate }),
    documents: new DocumentCache({ ...options, documents: catalog.documents, source }),
    async sendBlob(x, repo, digest) {
      await foreign.admitBlob(digest, repo);
      await sendCachedBlob(x, blobs, digest, repo);
    },
  };
}

/** Another registry: nothing is read through it that it does not say it has. */
export function mirrorRegistry(source: RegistrySource, options: MirrorOptions): MirroredRegistry {
  const { catalog, blobs } = options;
  const from = new UpstreamBlobs(source.upstream);
  const gate = new RegistryMembers({ ...options, members: catalog.members, source, blobs: from });
  return {
    source,
    manifests: new ManifestCache({ ...options, manifests: catalog.manifests, source, gate }),
    documents: new DocumentCache({ ...options, documents: catalog.documents, source }),
    async sendBlob(x, repo, digest) {
      const size = await gate.admitBlob(repo, digest);
      const path = `${source.root}${repo}/blobs/${digest}`;
      await sendRegistryBlob(x, blobs, { digest, size, path, from });
    },
  };
}
