import type { CacheCatalog } from '../../../storage/catalog/cache-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import type { CacheConfig } from '../../config.ts';
import { mirrorPolicy } from '../../mirror-rules.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { BlobCache } from '../blob-cache.ts';
import { ManifestCache } from '../manifest-cache.ts';
import type { CachedRepos } from '../ostree/open-repos.ts';
import type { ForeignCheck } from '../registries/foreign-check.ts';
import type { Releases } from '../releases.ts';
import { pause } from '../retry.ts';
import type { Upstream } from '../upstream.ts';
import { ChunkPlans } from './chunk-plans.ts';
import { MirrorGate } from './gate.ts';
import { ImagesAhead } from './images-ahead.ts';
import { Mirror } from './mirror.ts';
import { OstreeAhead } from './ostree-ahead.ts';
import { MirrorPlanner } from './planner.ts';
import { ServedTags } from './served-tags.ts';

/** Fetched in one request, between two looks at what is allowed; one block where bytes are counted out. */
const PIECE_BYTES = 8 * BLOCK_BYTES;
/** Of the cache's budget: what may be pinned where nothing is fetched ahead. */
const PINNED_SHARE = 0.5;

export interface OpenMirrorOptions {
  readonly config: CacheConfig;
  readonly catalog: CacheCatalog;
  readonly upstream: Upstream;
  readonly releases: Releases;
  readonly blobs: BlobCache;
  readonly foreign: ForeignCheck;
  readonly repos: CachedRepos;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The mirror of a cache's policy, put together; it is still to be started. */
export function openMirror(options: OpenMirrorOptions): Mirror {
  const { config, catalog, blobs, foreign, repos, metrics, clock } = options;
  const policy = mirrorPolicy(config);
  const gate = new MirrorGate({
    window: policy?.window,
    maxBps: policy?.maxBps ?? 0,
    demand: () => blobs.waiting,
    sleep: pause,
    clock,
  });
  const admit = async (bytes: number, signal: AbortSignal): Promise<boolean> => {
    if (!(await gate.admit(bytes, signal))) return false;
    metrics.mirrorBytes.inc(bytes);
    return true;
  };
  const { objects, images, manifests } = catalog;
  const chunkPlans = new ChunkPlans({ blobs, images, objects });
  const allowed = { admit, pieceBytes: (policy?.maxBps ?? 0) > 0 ? BLOCK_BYTES : PIECE_BYTES };
  const planner = new MirrorPlanner({
    ...options,
    live: catalog.live,
    liveCommits: catalog.liveCommits,
    knownImages: images,
    servedTags: new ServedTags({ manifests, objects }),
    chunkPlans,
    images: new ImagesAhead({
      ...allowed,
      blobs,
      objects,
      manifests: originManifests(options, () => mirror.pinned),
      keptManifests: manifests,
      foreign,
      chunkPlans,
    }),
    ostree: new OstreeAhead({ ...allowed, ...repos }),
    policy,
    maxBytes: Math.floor(config.budgetBytes * (policy?.budget ?? PINNED_SHARE)),
  });
  const { refreshMs } = config;
  const fetchAhead = policy !== undefined;
  const mirror: Mirror = new Mirror({ ...options, planner, gate, objects, fetchAhead, refreshMs });
  return mirror;
}

/** Of the origin, asked whatever is known of a tag. */
function originManifests(
  options: OpenMirrorOptions,
  pinned: () => ReadonlySet<Digest>,
): ManifestCache {
  const { catalog, upstream, foreign } = options;
  return new ManifestCache({
    ...options,
    manifests: catalog.manifests,
    source: { name: '', upstream, root: '/v2/', pushUrl: upstream.url },
    gate: {
      admitManifest: (repo, digest) => foreign.admitManifest(repo, digest),
      note: (_repo, digest) => foreign.note(digest),
    },
    tagTtlMs: 0,
    pinned,
  });
}
