import { CompositeReader } from '../storage/composite/composite-reader.ts';
import { UploadService } from '../storage/upload/service.ts';
import { createAccess, type Access } from './auth/access.ts';
import { createCertificateNames } from './auth/certificates.ts';
import { baseUrlOf } from './auth/challenge.ts';
import { isOpenToAll } from './auth/open-to-all.ts';
import { createBlobRoute } from './blobs.ts';
import type { ServerConfig } from './config.ts';
import { createHotBlobs } from './hot-blobs.ts';
import type { Exchange, RawRoute } from './http/exchange.ts';
import type { ListenOptions } from './http/http-server.ts';
import type { TlsMaterial } from './http/tls.ts';
import { loadContract, type Contract } from './http/validate.ts';
import { createLimiter } from './limits/limiter.ts';
import type { MatrixService } from './matrix/matrix-service.ts';
import { createRegistry } from './oci/registry.ts';
import { FilezCache } from './ostree/filez-cache.ts';
import { Builds } from './ostree/flat-manager/builds.ts';
import { createFlatManagerRoute } from './ostree/flat-manager/routes.ts';
import type { OstreeOptions } from './ostree/options.ts';
import { createOstreeRoute } from './ostree/routes.ts';
import { SigningPolicies } from './ostree/signing/policies.ts';
import { createAuditRoute } from './observe/audit.ts';
import type { Logger } from './observe/logger.ts';
import type { Metrics } from './observe/metrics.ts';
import { filezFolder, scratchFolder, type OpenedStore } from './open-store.ts';
import { createApi } from './updates/api.ts';

/** What the routes of an origin need to know of the matrix. */
export type MatrixHandle = Pick<MatrixService, 'poke' | 'plan' | 'planRef'>;

export interface OriginParts {
  readonly config: ServerConfig;
  readonly store: OpenedStore;
  readonly matrix: MatrixHandle;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** As text, what all processes of the server counted; default: what this one did. */
  readonly scrape?: (() => Promise<string>) | undefined;
}

/** Everything that an origin answers, and in which order it is asked. */
export async function createOriginRoutes(
  parts: OriginParts,
  tls: TlsMaterial | undefined,
): Promise<Pick<ListenOptions, 'routes' | 'app' | 'hot' | 'admit'>> {
  const { config, store, logger } = parts;
  const access = accessOf(parts, tls);
  const rules = config.access === undefined ? undefined : access;
  const limiter = createLimiter(config.limits, { processes: config.workers });
  const contract = await loadContract();
  const composites = new CompositeReader(store.blobs);
  return {
    routes: [
      createAuditRoute(logger),
      limiter.byAddress,
      ...(rules === undefined ? [] : [rules.route]),
      limiter.byPrincipal,
      access.token,
      createBlobRoute({ blobs: store.blobs, composites: { catalog: store.catalog, composites } }),
      registryOf(parts, composites, rules),
      ...(await ostreeOf(parts, rules, contract)),
    ],
    app: createApi({ ...parts, ...store, contract, clock: Date.now, authorize: rules?.api }),
    hot: isOpenToAll(config) ? createHotBlobs(store) : undefined,
    ...(config.limits.address.perSecond > 0 && {
      admit: (address: string) => limiter.admitAddress(address),
    }),
  };
}

function registryOf(
  { store, matrix, logger }: OriginParts,
  composites: CompositeReader,
  rules: Access | undefined,
): RawRoute {
  const { blobs, catalog } = store;
  const clock = Date.now;
  return createRegistry({
    blobs,
    catalog,
    composites,
    uploads: new UploadService({ objects: blobs.objects, catalog, clock }),
    clock,
    logger,
    authorize: rules?.registry,
    mayPull: rules?.mayPull,
    mayList: rules?.mayList,
    // The pairs of a new release stand in the matrix before its push is answered.
    onManifest: async (repo, _digest, tag) => {
      if (tag !== undefined) await matrix.plan(repo, tag);
    },
  });
}

async function ostreeOf(
  { config, store }: OriginParts,
  rules: Access | undefined,
  contract: Contract,
): Promise<readonly RawRoute[]> {
  const { data, ostree, workers, publicUrl } = config;
  const clock = Date.now;
  const options: OstreeOptions = {
    ...store,
    scratch: scratchFolder(data),
    filez: await FilezCache.open(filezFolder(data), ostree.filezBytes / workers),
    policies: await SigningPolicies.load(ostree),
    contract,
    clock,
    authorize: rules?.ostree,
  };
  const baseUrl = (x: Exchange) =>
    publicUrl === '' ? baseUrlOf(x) : publicUrl.replace(/\/+$/, '');
  const builds = new Builds(store.catalog, clock);
  return [createOstreeRoute(options), createFlatManagerRoute({ ...options, builds, baseUrl })];
}

/** While the configuration sets no rules, everyone may do everything: then only its tokens are asked. */
function accessOf({ config, store, logger }: OriginParts, tls: TlsMaterial | undefined): Access {
  const { access = { anonymous: ['admin:**'] }, publicUrl } = config;
  const { tokens, signingKeys } = store.catalog;
  const clock = Date.now;
  const certificateNames = tls && createCertificateNames({ tls, clock });
  return createAccess({ access, tokens, signingKeys, clock, logger, publicUrl, certificateNames });
}
