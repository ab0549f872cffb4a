import type { RawRoute } from '../http/exchange.ts';
import { createCachedBlobRoute } from './blob-routes.ts';
import type { CacheParts } from './cache-parts.ts';
import { createCheckRoute } from './check-routes.ts';
import { DocumentCache } from './document-cache.ts';
import { createEventRoute } from './event-routes.ts';
import { ManifestCache } from './manifest-cache.ts';
import { createMirrorRegistry } from './manifest-routes.ts';
import { createStatusRoute } from './status-routes.ts';

/** Everything that a cache answers, the hot path first. */
export function createRoutes(parts: CacheParts): readonly RawRoute[] {
  const { config, catalog, mirror, upstream, blobs } = parts;
  const { manifests, documents } = catalog;
  const originUrl = upstream.url;
  return [
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
    createCheckRoute({ ...parts, originUrl }),
    createEventRoute(parts),
    createStatusRoute(parts),
  ];
}
