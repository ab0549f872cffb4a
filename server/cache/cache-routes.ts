import { createCertificateNames } from '../auth/certificates.ts';
import type { RawRoute } from '../http/exchange.ts';
import type { TlsMaterial } from '../http/tls.ts';
import { createLimiter } from '../limits/limiter.ts';
import { createAuditRoute } from '../observe/audit.ts';
import { createCachedBlobRoute } from './blob-routes.ts';
import { createCacheAccess, type CacheAccess } from './cache-access.ts';
import type { CacheParts } from './cache-parts.ts';
import { createCheckRoute } from './check-routes.ts';
import { DocumentCache } from './document-cache.ts';
import { createEventRoute } from './event-routes.ts';
import { createOstreeHandlers } from './ostree/create-handlers.ts';
import { createCachedOstreeRoute } from './ostree/routes.ts';
import { ManifestCache } from './manifest-cache.ts';
import { createMirrorRegistry } from './manifest-routes.ts';
import { RepoMembers } from './repo-members.ts';
import { createStatusRoute } from './status-routes.ts';

/** Everything that a cache answers, the hot path first. */
export function createRoutes(parts: CacheParts, tls?: TlsMaterial): readonly RawRoute[] {
  const { config, catalog, mirror, upstream, blobs } = parts;
  const { manifests, documents } = catalog;
  const originUrl = upstream.url;
  const limiter = createLimiter(config.limits);
  const access = accessOf(parts, tls);
  return [
    createAuditRoute(parts.logger),
    limiter.byAddress,
    ...(access === undefined ? [] : [access.route]),
    limiter.byPrincipal,
    createCachedBlobRoute(blobs),
    createMirrorRegistry({
      ...parts,
      manifests: new ManifestCache({
        ...parts,
        manifests,
        tagTtlMs: config.tagTtlMs,
        pinned: () => mirror.pinned,
      }),
      documents: new DocumentCache({ ...parts, documents }),
      host: upstream.host,
      originUrl,
    }),
    createCachedOstreeRoute(createOstreeHandlers(parts), originUrl),
    createCheckRoute({ ...parts, originUrl, authorize: access?.product }),
    createEventRoute(parts),
    createStatusRoute(parts),
  ];
}

/** Undefined while the configuration sets no rules: then everyone may read everything. */
function accessOf(parts: CacheParts, tls: TlsMaterial | undefined): CacheAccess | undefined {
  const { config, upstream, clock, logger } = parts;
  const { access } = config;
  if (access === undefined) return undefined;
  return createCacheAccess({
    access,
    certificateNames: tls === undefined ? undefined : createCertificateNames({ tls, clock }),
    members: new RepoMembers(upstream, clock),
    originUrl: upstream.url,
    logger,
  });
}
