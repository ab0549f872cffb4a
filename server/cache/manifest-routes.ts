import type { Exchange, RawRoute } from '../http/exchange.ts';
import { OciError, type OciErrorCode } from '../oci/errors.ts';
import { readDigest, readReference, readRepo } from '../oci/names.ts';
import { readPage } from '../oci/paging.ts';
import { sendJson } from '../oci/respond.ts';
import type { Logger } from '../observe/logger.ts';
import { answerV2 } from './failure.ts';
import type { MirroredRegistry } from './registries/mirrored.ts';
import { findNamed, nameRequest, pathPrefix, type RegistryNames } from './registries/names.ts';
import { sendManifest } from './send-manifest.ts';
import { UpstreamError } from './upstream-error.ts';

export interface MirrorRegistryOptions {
  /** By name; the origin's is empty. */
  readonly registries: ReadonlyMap<string, MirroredRegistry>;
  readonly names: RegistryNames;
  readonly logger: Logger;
}

interface MirrorRoute {
  readonly label: string;
  readonly pattern: RegExp;
  readonly missing: OciErrorCode;
  readonly get: (x: Exchange, asked: Asked, name: string, reference: string) => Promise<void>;
}

/** What is asked, and how. */
interface Asked {
  readonly registry: MirroredRegistry;
  /** As links repeat it. */
  readonly root: string;
  readonly ns: string | undefined;
}

/** `/v2/` of a cache: read-only mirrors of registries (OCI distribution 1.1, "Pull"). */
export function createMirrorRegistry(options: MirrorRegistryOptions): RawRoute {
  return async (x) => {
    if (x.path !== '/v2' && !x.path.startsWith('/v2/')) return false;
    x.res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    const found = find(x.path);
    x.route = found?.route.label ?? '/v2/';
    await answerV2(x, options.logger, found?.route.missing ?? 'NAME_UNKNOWN', async () => {
      if (x.req.method !== 'GET' && x.req.method !== 'HEAD') throw readOnly(x, options);
      const named = nameRequest(x.path, x.query, options.names);
      const registry = options.registries.get(named.registry);
      if (registry === undefined) throw new OciError('NAME_UNKNOWN', 'no such registry here');
      const within = find(named.path);
      if (within === undefined) throw new OciError('NAME_UNKNOWN', 'the mirror has no such path');
      const { route, match } = within;
      const root = named.by === 'path' ? `/v2/${pathPrefix(named.registry)}/` : '/v2/';
      const asked = { registry, root, ns: x.query.get('ns') ?? undefined };
      try {
        await route.get(x, asked, match[1] ?? '', match[2] ?? '');
      } catch (error) {
        throw named.registry === '' ? error : asRegistryRefusal(error, named.registry);
      }
    });
    return true;
  };
}

function find(
  path: string,
): { readonly route: MirrorRoute; readonly match: RegExpExecArray } | undefined {
  for (const route of ROUTES) {
    const match = route.pattern.exec(path);
    if (match !== null) return { route, match };
  }
  return undefined;
}

/** Registries say 401 and 403 also of repositories that do not exist; clients then go on elsewhere. */
function asRegistryRefusal(error: unknown, registry: string): unknown {
  if (!(error instanceof UpstreamError) || (error.status !== 401 && error.status !== 403)) {
    return error;
  }
  const message = `${registry} does not let this cache read that: there is no such repository, or its credentials in the cache's configuration do not suffice`;
  return new OciError('DENIED', message, { cause: error });
}

const ROUTES: readonly MirrorRoute[] = [
  {
    label: '/v2/',
    pattern: /^\/v2\/?$/,
    missing: 'NAME_UNKNOWN',
    get: (x) => {
      sendJson(x.res, 200, {});
      return Promise.resolve();
    },
  },
  {
    label: '/v2/{name}/blobs/{digest}',
    pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
    missing: 'BLOB_UNKNOWN',
    get: (x, { registry }, name, text) => registry.sendBlob(x, readRepo(name), readDigest(text)),
  },
  {
    label: '/v2/{name}/manifests/{reference}',
    pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    missing: 'MANIFEST_UNKNOWN',
    get: async (x, { registry }, name, text) => {
      const reference = readReference(text, 'MANIFEST_UNKNOWN');
      sendManifest(x, await registry.manifests.get(readRepo(name), reference));
    },
  },
  {
    label: '/v2/{name}/tags/list',
    pattern: /^\/v2\/(.+)\/tags\/list$/,
    missing: 'NAME_UNKNOWN',
    get: (x, { registry, ...how }, name) => {
      // Refused here: a page that the registry refuses would look like a fault of the registry.
      readPage(x.query);
      const path = `${readRepo(name)}/tags/list`;
      return registry.documents.send(x, { ...how, path, parameters: ['n', 'last'] });
    },
  },
  {
    label: '/v2/{name}/referrers/{digest}',
    pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
    missing: 'MANIFEST_UNKNOWN',
    get: (x, { registry, ...how }, name, text) => {
      const path = `${readRepo(name)}/referrers/${readDigest(text)}`;
      return registry.documents.send(x, { ...how, path, parameters: ['artifactType', 'last'] });
    },
  },
];

/** Names where the registry that is meant takes pushes, or the origin where none is known by that name. */
function readOnly(
  { path, query }: Exchange,
  { names, registries }: MirrorRegistryOptions,
): OciError {
  const named = findNamed(path, query, names)?.registry ?? '';
  const pushUrl = registries.get(named)?.source.pushUrl ?? '';
  return new OciError('UNSUPPORTED', `this is a read-only mirror: push to ${pushUrl}`, {
    headers: { Allow: 'GET, HEAD' },
    detail: { origin: pushUrl },
  });
}
