import { createCertificateNames } from '../auth/certificates.ts';
import type { RawRoute } from '../http/exchange.ts';
import type { TlsMaterial } from '../http/tls.ts';
import type { Limiter } from '../limits/limiter.ts';
import { createAuditRoute } from '../observe/audit.ts';
import { createCachedBlobRoute } from './blob-routes.ts';
import { createCacheAccess, type CacheAccess } from './cache-access.ts';
import type { CacheParts } from './cache-parts.ts';
import { createCheckRoute } from './check-routes.ts';
import { createEventRoute } from './event-routes.ts';
import { OstreeHandlers } from './ostree/handlers.ts';
import { createCachedOstreeRoute } from './ostree/routes.ts';
import { createMirrorRegistry } from './manifest-routes.ts';
import { createPushForward } from './push-forward.ts';
import { mirrorOrigin, mirrorRegistry, type MirroredRegistry } from './registries/mirrored.ts';
import type { RegistryNames } from './registries/names.ts';
import { RepoMembers } from './repo-members.ts';
import { createStatusRoute } from './status-routes.ts';

/** Everything that a cache answers, the hot path first. */
export function createRoutes(
  parts: CacheParts,
  limiter: Limiter,
  tls?: TlsMaterial,
): readonly RawRoute[] {
  const { upstream, blobs, foreign } = parts;
  const originUrl = upstream.url;
  const names = namesOf(parts);
  const registries = mirrored(parts);
  const access = accessOf(parts, names, tls);
  return [
    createAuditRoute(parts.logger),
    limiter.byAddress,
    ...pushRoutes(parts, names, registries),
    ...(access === undefined ? [] : [access.route]),
    limiter.byPrincipal,
    createCachedBlobRoute(blobs, foreign),
    createMirrorRegistry({ ...parts, names, registries }),
    createCachedOstreeRoute(new OstreeHandlers({ ...parts, ...parts.repos }), originUrl),
    createCheckRoute({ ...parts, originUrl, authorize: access?.product }),
    createEventRoute(parts),
    createStatusRoute(parts),
  ];
}

/** None where pushes are refused, as every change is. */
function pushRoutes(
  parts: CacheParts,
  names: RegistryNames,
  registries: ReadonlyMap<string, MirroredRegistry>,
): readonly RawRoute[] {
  const { pushes, publicUrl } = parts.config;
  const manifests = registries.get('')?.manifests;
  if (pushes === 'refuse' || manifests === undefined) return [];
  return [createPushForward({ ...parts, names, manifests, publicUrl })];
}

/** What `ns=` may say. */
function namesOf({ config, upstream, registries }: CacheParts): RegistryNames {
  return {
    origin: [upstream.host, ...config.upstreamNames],
    others: registries.map(({ name }) => name),
  };
}

function mirrored(parts: CacheParts): ReadonlyMap<string, MirroredRegistry> {
  const { config, upstream, mirror, registries, foreign } = parts;
  const options = { ...parts, tagTtlMs: config.tagTtlMs, pinned: () => mirror.pinned };
  const origin = { name: '', upstream, root: '/v2/', pushUrl: upstream.url };
  return new Map([
    ['', mirrorOrigin(origin, foreign, options)],
    ...registries.map((source) => [source.name, mirrorRegistry(source, options)] as const),
  ]);
}

/** Undefined while the configuration sets no rules: then everyone may read everything. */
function accessOf(
  parts: CacheParts,
  names: RegistryNames,
  tls: TlsMaterial | undefined,
): CacheAccess | undefined {
  const { config, upstream, clock, logger } = parts;
  const { access } = config;
  if (access === undefined) return undefined;
  return createCacheAccess({
    access,
    names,
    certificateNames: tls === undefined ? undefined : createCertificateNames({ tls, clock }),
    members: new RepoMembers(upstream, clock),
    originUrl: upstream.url,
    logger,
  });
}
