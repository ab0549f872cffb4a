import type { Exchange, RawRoute } from '../http/exchange.ts';
import { BlobResource } from './blobs.ts';
import { OciError, sendOciError, toOciError, type OciErrorCode } from './errors.ts';
import { compileManifestSchemas } from './manifest-schema.ts';
import { ManifestResource } from './manifests.ts';
import type { RegistryOptions } from './options.ts';
import { ReferrerResource } from './referrers.ts';
import { sendJson } from './respond.ts';
import { RepositoryResource, TagResource } from './tags.ts';
import { UploadResource } from './uploads.ts';

/** `name` and `reference` are what the pattern caught, not yet checked. */
type Handler = (x: Exchange, name: string, reference: string) => Promise<void>;

interface OciRoute {
  readonly label: string;
  readonly pattern: RegExp;
  /** What it means when storage says `missing`. */
  readonly missing: OciErrorCode;
  /** HEAD is answered by GET. */
  readonly methods: Readonly<Record<string, Handler>>;
}

/** `/v2/`: OCI distribution 1.1. Answers every path below it, and errors in the registry's form. */
export function createRegistry(options: RegistryOptions): RawRoute {
  const routes = createRoutes(options);
  return async (x) => {
    if (x.path !== '/v2' && !x.path.startsWith('/v2/')) return false;
    x.res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    await serve(x, routes, options);
    return true;
  };
}

function createRoutes(options: RegistryOptions): readonly OciRoute[] {
  const blobs = new BlobResource(options);
  const uploads = new UploadResource(options);
  const manifests = new ManifestResource(options, compileManifestSchemas());
  const tags = new TagResource(options);
  const referrers = new ReferrerResource(options);
  const repositories = new RepositoryResource(options);
  return [
    {
      label: '/v2/',
      pattern: /^\/v2\/?$/,
      missing: 'NAME_UNKNOWN',
      methods: { GET: sendBase },
    },
    {
      label: '/v2/_catalog',
      pattern: /^\/v2\/_catalog$/,
      missing: 'NAME_UNKNOWN',
      methods: { GET: (x) => repositories.list(x) },
    },
    {
      label: '/v2/{name}/blobs/uploads/',
      pattern: /^\/v2\/(.+)\/blobs\/uploads\/?$/,
      missing: 'BLOB_UPLOAD_UNKNOWN',
      methods: { POST: (x, name) => uploads.start(x, name) },
    },
    {
      label: '/v2/{name}/blobs/uploads/{id}',
      pattern: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
      missing: 'BLOB_UPLOAD_UNKNOWN',
      methods: {
        GET: (x, name, id) => uploads.get(x, name, id),
        PATCH: (x, name, id) => uploads.append(x, name, id),
        PUT: (x, name, id) => uploads.commit(x, name, id),
        DELETE: (x, name, id) => uploads.cancel(x, name, id),
      },
    },
    {
      label: '/v2/{name}/blobs/{digest}',
      pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
      missing: 'BLOB_UNKNOWN',
      methods: {
        GET: (x, name, digest) => blobs.get(x, name, digest),
        DELETE: (x, name, digest) => blobs.delete(x, name, digest),
      },
    },
    {
      label: '/v2/{name}/manifests/{reference}',
      pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
      missing: 'MANIFEST_UNKNOWN',
      methods: {
        GET: (x, name, reference) => manifests.get(x, name, reference),
        PUT: (x, name, reference) => manifests.put(x, name, reference),
        DELETE: (x, name, reference) => manifests.delete(x, name, reference),
      },
    },
    {
      label: '/v2/{name}/tags/list',
      pattern: /^\/v2\/(.+)\/tags\/list$/,
      missing: 'NAME_UNKNOWN',
      methods: { GET: (x, name) => tags.list(x, name) },
    },
    {
      label: '/v2/{name}/referrers/{digest}',
      pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
      missing: 'MANIFEST_UNKNOWN',
      methods: { GET: (x, name, digest) => referrers.list(x, name, digest) },
    },
  ];
}

function sendBase(x: Exchange): Promise<void> {
  sendJson(x.res, 200, {});
  return Promise.resolve();
}

async function serve(
  x: Exchange,
  routes: readonly OciRoute[],
  { logger, authorize }: Pick<RegistryOptions, 'logger' | 'authorize'>,
): Promise<void> {
  let missing: OciErrorCode = 'NAME_UNKNOWN';
  try {
    for (const route of routes) {
      const match = route.pattern.exec(x.path);
      if (match === null) continue;
      x.route = route.label;
      missing = route.missing;
      authorize?.(x, match[1]);
      await handlerOf(route, x)(x, match[1] ?? '', match[2] ?? '');
      return;
    }
    throw new OciError('NAME_UNKNOWN', 'the registry has nothing at this path');
  } catch (error) {
    if (x.res.headersSent || x.signal.aborted) throw error;
    const refusal = toOciError(error, missing);
    if (refusal.status >= 500) logger.error({ err: error, requestId: x.id }, 'request failed');
    sendOciError(x.res, refusal);
  }
}

function handlerOf(route: OciRoute, x: Exchange): Handler {
  const method = x.req.method ?? '';
  const handler = route.methods[method === 'HEAD' ? 'GET' : method];
  if (handler !== undefined) return handler;
  const allowed = Object.keys(route.methods);
  if (allowed.includes('GET')) allowed.push('HEAD');
  throw new OciError('UNSUPPORTED', `${method} is not possible on ${route.label}`, {
    headers: { Allow: allowed.join(', ') },
  });
}
