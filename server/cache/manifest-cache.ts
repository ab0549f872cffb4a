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
import type { Reference } from '../oci/names.ts';
import type { Logger } from '../observe/logger.ts';
import { ACCEPTED_MANIFESTS } from './accepted-manifests.ts';
import { ageOf } from './age.ts';
import { JointWork } from './joint-work.ts';
import type { RegistrySource } from './registries/sources.ts';
import type { UpstreamAnswer } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MEDIA_TYPE = /^[\w.+-]{1,127}\/[\w.+-]{1,127}$/;

/** Whether a repository has what lies here by digest alone. */
export interface ManifestGate {
  /** Throws `missing`, `unavailable`, `UpstreamError` unless the repository has it. */
  admitManifest(repo: RepoName, digest: Digest): Promise<void>;
  /** Told of what the repository has just given, before it is kept. */
  note(repo: RepoName, digest: Digest, size: number): Promise<void>;
}

export interface ManifestCacheOptions {
  readonly source: RegistrySource;
  readonly manifests: CachedManifests;
  readonly gate: ManifestGate;
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
 * Manifests of a registry: by digest for ever, by tag as it says now, or as it last said once it is
 * gone; asked once for all who want the same meanwhile. Throws `missing`, `unavailable`,
 * `digest_mismatch`, `UpstreamError`.
 */
export class ManifestCache {
  readonly #options: ManifestCacheOptions;
  readonly #asking = new JointWork<FoundManifest>();

  constructor(options: ManifestCacheOptions) {
    this.#options = options;
  }

  get(repo: RepoName, reference: Reference): Promise<FoundManifest> {
    if (reference.kind === 'digest') {
      const { digest } = reference;
      return this.#asking.do(`${repo}@${digest}`, () => this.#byDigest(repo, digest));
    }
    const { tag } = reference;
    return this.#asking.do(`${repo}:${tag}`, () => this.#byTag(repo, tag));
  }

  /** The tag may have moved: the next request asks. */
  async forgetTag(repo: RepoName, tag: Tag): Promise<void> {
    const { manifests, source } = this.#options;
    await manifests.deleteTag({ registry: source.name, repo }, tag);
  }

  async #byDigest(repo: RepoName, digest: Digest): Promise<FoundManifest> {
    const { manifests, gate } = this.#options;
    const known = await manifests.get(digest);
    if (known === undefined) {
      const { manifest } = await this.#fetch(repo, digest, digest);
      return { manifest: required(manifest), immutable: true };
    }
    await gate.admitManifest(repo, digest);
    return { manifest: known, immutable: true };
  }

  async #byTag(repo: RepoName, tag: Tag): Promise<FoundManifest> {
    const { manifests, source, tagTtlMs, clock } = this.#options;
    const tagged = { registry: source.name, repo };
    const known = await manifests.getTag(tagged, tag);
    const held = known === undefined ? undefined : await manifests.get(known.digest);
    const ageMs = known === undefined ? Infinity : Math.max(0, clock() - known.checkedMs);
    if (held !== undefined && ageMs < tagTtlMs) return { manifest: held, immutable: false };
    try {
      const fresh = await this.#fetch(repo, tag, undefined, held?.digest);
      const manifest = fresh.manifest ?? required(held);
      const { staleSeconds } = fresh;
      const checkedMs = clock() - (staleSeconds ?? 0) * 1000;
      await manifests.putTag(tagged, tag, { digest: manifest.digest, checkedMs });
      return { manifest, immutable: false, staleSeconds };
    } catch (error) {
      if (isStorageError(error, 'missing')) await manifests.deleteTag(tagged, tag);
      if (held === undefined || !isStorageError(error, 'unavailable')) throw error;
      return { manifest: held, immutable: false, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  /** Fetches, checks and keeps; without a manifest when the registry says that it still is `known`. */
  async #fetch(
    repo: RepoName,
    reference: string,
    expected?: Digest,
    known?: Digest,
  ): Promise<{ readonly manifest?: CachedManifest; readonly staleSeconds?: number | undefined }> {
    const { source, gate } = this.#options;
    const { upstream, root } = source;
    const headers: Record<string, string> = { accept: ACCEPTED_MANIFESTS };
    const path = `${root}${repo}/manifests/${reference}`;
    if (known !== undefined) {
      // What is not the origin counts GETs against a limit, and may not know our validators.
      if (source.name !== '' && (await this.#isStill(path, known))) return {};
      headers['if-none-match'] = `"${known}"`;
    }
    const answer = await upstream.request({ method: 'GET', path, headers, failFast: true });
    const staleSeconds = ageOf(answer.headers);
    if (answer.status === 304 && known !== undefined) {
      upstream.discard(answer);
      return { staleSeconds };
    }
    try {
      expectStatus(answer, `${repo} ${reference}`, [200]);
    } catch (error) {
      upstream.discard(answer);
      throw error;
    }
    const body = await upstream.readAll(answer, MAX_MANIFEST_BYTES);
    const manifest = checkManifest(answer, body, expected);
    await gate.note(repo, manifest.digest, body.length);
    await this.#keep(manifest);
    return { manifest, staleSeconds };
  }

  /** True if a HEAD names that digest; a registry that does not answer HEAD has to be asked with GET. */
  async #isStill(path: string, known: Digest): Promise<boolean> {
    const { upstream } = this.#options.source;
    const headers = { accept: ACCEPTED_MANIFESTS };
    const answer = await upstream.request({ method: 'HEAD', path, headers, failFast: true });
    upstream.discard(answer);
    return answer.status === 200 && answer.headers['docker-content-digest'] === known;
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
