import type { Exchange, RawRoute } from '../http/exchange.ts';
import { OciError, type OciErrorCode } from '../oci/errors.ts';
import { readDigest, readReference, readRepo } from '../oci/names.ts';
import { readPage } from '../oci/paging.ts';
import { sendJson } from '../oci/respond.ts';
import type { Logger } from '../observe/logger.ts';
import type { BlobCache } from './blob-cache.ts';
import type { DocumentCache } from './document-cache.ts';
import { answerV2 } from './failure.ts';
import type { ManifestCache } from './manifest-cache.ts';
import { sendManifest } from './send-manifest.ts';
import { sendCachedBlob } from './send-cached-blob.ts';

export interface MirrorRegistryOptions {
  readonly blobs: BlobCache;
  readonly manifests: ManifestCache;
  readonly documents: DocumentCache;
  /** The origin's host and port: the only `ns` that is answered for. */
  readonly host: string;
  /** The origin's base URL, named to those who want to push. */
  readonly originUrl: string;
  readonly logger: Logger;
}

interface MirrorRoute {
  readonly label: string;
  readonly pattern: RegExp;
  readonly missing: OciErrorCode;
  readonly get: (x: Exchange, name: string, reference: string) => Promise<void>;
}

/** `/v2/` of a cache: a read-only mirror of the origin's registry (OCI distribution 1.1, "Pull"). */
export function createMirrorRegistry(options: MirrorRegistryOptions): RawRoute {
  const routes = createRoutes(options);
  return async (x) => {
    if (x.path !== '/v2' && !x.path.startsWith('/v2/')) return false;
    x.res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    const found = routes
      .map((route) => ({ route, match: route.pattern.exec(x.path) }))
      .find(({ match }) => match !== null);
    x.route = found?.route.label ?? '/v2/';
    await answerV2(x, options.logger, found?.route.missing ?? 'NAME_UNKNOWN', async () => {
      checkMethod(x, options.originUrl);
      checkNamespace(x, options.host);
      if (found === undefined) throw new OciError('NAME_UNKNOWN', 'the mirror has no such path');
      await found.route.get(x, found.match?.[1] ?? '', found.match?.[2] ?? '');
    });
    return true;
  };
}

function createRoutes({
  blobs,
  manifests,
  documents,
}: MirrorRegistryOptions): readonly MirrorRoute[] {
  return [
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
      get: (x, name, text) => {
        const repo = readRepo(name);
        return sendCachedBlob(x, blobs, readDigest(text), repo);
      },
    },
    {
      label: '/v2/{name}/manifests/{reference}',
      pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
      missing: 'MANIFEST_UNKNOWN',
      get: async (x, name, text) => {
        const reference = readReference(text, 'MANIFEST_UNKNOWN');
        sendManifest(x, await manifests.get(readRepo(name), reference, { signal: x.signal }));
      },
    },
    {
      label: '/v2/{name}/tags/list',
      pattern: /^\/v2\/(.+)\/tags\/list$/,
      missing: 'NAME_UNKNOWN',
      get: (x, name) => {
        // Refused here: a page that the origin refuses would look like a fault of the origin.
        readPage(x.query);
        return documents.send(x, `/v2/${readRepo(name)}/tags/list`, ['n', 'last']);
      },
    },
    {
      label: '/v2/{name}/referrers/{digest}',
      pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
      missing: 'MANIFEST_UNKNOWN',
      get: (x, name, text) =>
        documents.send(x, `/v2/${readRepo(name)}/referrers/${readDigest(text)}`, [
          'artifactType',
          'last',
        ]),
    },
  ];
}

function checkMethod({ req }: Exchange, originUrl: string): void {
  if (req.method === 'GET' || req.method === 'HEAD') return;
  throw new OciError('UNSUPPORTED', `this is a read-only mirror: push to ${originUrl}`, {
    headers: { Allow: 'GET, HEAD' },
    detail: { origin: originUrl },
  });
}

/** containerd names the registry that it means; a key to compare, never an address to dial. */
function checkNamespace({ query }: Exchange, host: string): void {
  const asked = query.getAll('ns').find((ns) => ns !== host);
  if (asked === undefined) return;
  throw new OciError(
    'NAME_UNKNOWN',
    `this mirrors ${host}, not ${JSON.stringify(asked.slice(0, 200))}`,
  );
}
