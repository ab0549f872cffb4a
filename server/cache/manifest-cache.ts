import type { CachedManifest, CachedManifests } from '../../storage/catalog/cache-manifests.ts';
import type { Clock } from '../../storage/clock.ts';
import {
  digestAlgorithm,
  digestOf,
  isDigest,
  verifyBytes,
  type Digest,
} from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { Reference } from '../oci/names.ts';
import type { Logger } from '../observe/logger.ts';
import { ACCEPTED_MANIFESTS } from './accepted-manifests.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MEDIA_TYPE = /^[\w.+-]{1,127}\/[\w.+-]{1,127}$/;

export interface ManifestCacheOptions {
  readonly upstream: Upstream;
  readonly manifests: CachedManifests;
  /** How long a tag is served without asking the origin. */
  readonly tagTtlMs: number;
  /** Manifests that are not given up. */
  readonly pinned: () => ReadonlySet<Digest>;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface FoundManifest {
  readonly manifest: CachedManifest;
  /** Asked for by digest. */
  readonly immutable: boolean;
  /** Seconds since the origin last confirmed the tag, when it could not be asked now. */
  readonly staleSeconds?: number | undefined;
}

/**
 * Manifests of the origin: by digest for ever, by tag as the origin says now, or as it last said
 * once it is gone. Throws `missing`, `unavailable`, `digest_mismatch`, `UpstreamError`.
 */
export class ManifestCache {
  readonly #options: ManifestCacheOptions;

  constructor(options: ManifestCacheOptions) {
    this.#options = options;
  }

  async get(repo: RepoName, reference: Reference, io: IoOptions): Promise<FoundManifest> {
    if (reference.kind === 'digest') {
      return { manifest: await this.#byDigest(repo, reference.digest, io), immutable: true };
    }
    return this.#byTag(repo, reference.tag, io);
  }

  async #byDigest(repo: RepoName, digest: Digest, io: IoOptions): Promise<CachedManifest> {
    const known = await this.#options.manifests.get(digest);
    return known ?? this.#fetch(repo, digest, digest, undefined, io).then(required);
  }

  async #byTag(repo: RepoName, tag: Tag, io: IoOptions): Promise<FoundManifest> {
    const { manifests, tagTtlMs, clock } = this.#options;
    const known = await manifests.getTag(repo, tag);
    const held = known === undefined ? undefined : await manifests.get(known.digest);
    const ageMs = known === undefined ? Infinity : Math.max(0, clock() - known.checkedMs);
    if (held !== undefined && ageMs < tagTtlMs) return { manifest: held, immutable: false };
    try {
      const fresh = await this.#fetch(repo, tag, undefined, held?.digest, io);
      const manifest = fresh ?? required(held);
      await manifests.putTag(repo, tag, { digest: manifest.digest, checkedMs: clock() });
      return { manifest, immutable: false };
    } catch (error) {
      if (isStorageError(error, 'missing')) await manifests.deleteTag(repo, tag);
      if (held === undefined || !isStorageError(error, 'unavailable')) throw error;
      return { manifest: held, immutable: false, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  /** Fetches, checks and keeps; undefined when the origin says that it still is `known`. */
  async #fetch(
    repo: RepoName,
    reference: string,
    expected: Digest | undefined,
    known: Digest | undefined,
    { signal }: IoOptions,
  ): Promise<CachedManifest | undefined> {
    const { upstream } = this.#options;
    const headers: Record<string, string> = { accept: ACCEPTED_MANIFESTS };
    if (known !== undefined) headers['if-none-match'] = `"${known}"`;
    const path = `/v2/${repo}/manifests/${reference}`;
    const answer = await upstream.request({ method: 'GET', path, headers, signal, failFast: true });
    if (answer.status === 304 && known !== undefined) {
      upstream.discard(answer);
      return undefined;
    }
    try {
      expectStatus(answer, `${repo} ${reference}`, [200]);
    } catch (error) {
      upstream.discard(answer);
      throw error;
    }
    const body = await upstream.readAll(answer, MAX_MANIFEST_BYTES, signal);
    const manifest = checkManifest(answer, body, expected);
    await this.#keep(manifest);
    return manifest;
  }

  /** A manifest that can't be kept is served all the same. */
  async #keep(manifest: CachedManifest): Promise<void> {
    const { manifests, pinned, clock, logger } = this.#options;
    try {
      await manifests.put(manifest, clock(), pinned());
    } catch (error) {
      logger.warn({ digest: manifest.digest, err: error }, 'cannot keep a manifest');
    }
  }
}

function checkManifest(
  { status, headers }: UpstreamAnswer,
  body: Buffer,
  expected: Digest | undefined,
): CachedManifest {
  const named = headers['docker-content-digest'];
  const promised = expected ?? (typeof named === 'string' && isDigest(named) ? named : undefined);
  verifyBytes(body, { digest: promised }, 'the manifest that the origin sent');
  const mediaType = headers['content-type'] ?? '';
  if (!MEDIA_TYPE.test(mediaType)) {
    throw new UpstreamError('refused', 'the origin sent a manifest without a media type', {
      status,
    });
  }
  const algorithm = promised === undefined ? 'sha256' : digestAlgorithm(promised);
  return { digest: promised ?? digestOf(body, algorithm), mediaType, body };
}

function required(manifest: CachedManifest | undefined): CachedManifest {
  if (manifest !== undefined) return manifest;
  throw new UpstreamError('refused', 'the origin says "not modified" of nothing', { status: 304 });
}
