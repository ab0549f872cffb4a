import type { OutgoingHttpHeaders } from 'node:http';

import type { UploadSession } from '../../storage/catalog/upload-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { UploadId } from '../../storage/keys.ts';
import type { RepoName } from '../../storage/names.ts';
import { bodySource, hasBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { readChunkPlace } from './chunk-place.ts';
import { OciError, toOciError } from './errors.ts';
import { mountBlob } from './mount.ts';
import { readDigest, readRepo, readUploadId } from './names.ts';
import type { RegistryOptions } from './options.ts';
import { sendEmpty } from './respond.ts';

/** Every piece becomes an object: smaller ones are taken, but not asked for. */
const CHUNK_MIN_BYTES = 1024;

/** Upload sessions (OCI distribution 1.1, "Pushing blobs"). */
export class UploadResource {
  readonly #registry: RegistryOptions;

  constructor(registry: RegistryOptions) {
    this.#registry = registry;
  }

  /** POST: a session, or a whole blob with `digest`, or a mount with `mount`. */
  async start(x: Exchange, name: string): Promise<void> {
    const repo = readRepo(name);
    const digest = x.query.get('digest');
    const mount = x.query.get('mount');
    if (digest !== null) {
      await this.#pushWhole(x, repo, readDigest(digest));
    } else if (mount === null || !(await this.#mount(x, repo, readDigest(mount)))) {
      const session = await this.#registry.uploads.start(repo);
      sendEmpty(x.res, 202, {
        ...progress(repo, session),
        'OCI-Chunk-Min-Length': CHUNK_MIN_BYTES,
      });
    }
  }

  /** GET: where the session stands. */
  async get(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const session = await this.#registry.uploads.get(repo, readUploadId(reference));
    sendEmpty(x.res, 204, progress(repo, session));
  }

  /** PATCH: the next piece. */
  async append(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const session = await this.#append(x, repo, readUploadId(reference));
    sendEmpty(x.res, 202, progress(repo, session));
  }

  /** PUT: the last piece, if there is one, and the digest of the whole. */
  async commit(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const id = readUploadId(reference);
    const digest = x.query.get('digest');
    if (digest === null) {
      throw new OciError('DIGEST_INVALID', 'the parameter digest is needed to end an upload');
    }
    await this.#finish(x, repo, id, readDigest(digest));
  }

  async cancel(x: Exchange, name: string, reference: string): Promise<void> {
    await this.#registry.uploads.cancel(readRepo(name), readUploadId(reference));
    sendEmpty(x.res, 204);
  }

  async #pushWhole(x: Exchange, repo: RepoName, digest: Digest): Promise<void> {
    const { id } = await this.#registry.uploads.start(repo);
    try {
      await this.#finish(x, repo, id, digest);
    } catch (error) {
      // The client was never told of the session: nobody else can end it.
      await this.#discard(repo, id);
      throw error;
    }
  }

  /**
   * True if the blob is in the repository now and the client was told so. A blob that the caller may
   * not read is no more there than an absent one: it has to be pushed.
   */
  async #mount(x: Exchange, repo: RepoName, digest: Digest): Promise<boolean> {
    const { mayPull } = this.#registry;
    const from = x.query.get('from');
    if (mayPull?.(x, from ?? undefined) === false) return false;
    const source = from === null ? undefined : readRepo(from);
    const mounted = await mountBlob(this.#registry, repo, digest, source, { signal: x.signal });
    if (mounted) sendCreated(x, repo, digest);
    return mounted;
  }

  async #finish(x: Exchange, repo: RepoName, id: UploadId, digest: Digest): Promise<void> {
    if (hasBody(x.req)) await this.#append(x, repo, id);
    try {
      await this.#registry.uploads.commit(repo, id, digest, { signal: x.signal });
    } catch (error) {
      // A session whose bytes are the wrong ones can only be pushed anew.
      if (isStorageError(error, 'digest_mismatch')) await this.#discard(repo, id);
      throw error;
    }
    sendCreated(x, repo, digest);
  }

  async #append(x: Exchange, repo: RepoName, id: UploadId): Promise<UploadSession> {
    const { uploads } = this.#registry;
    try {
      const place = readChunkPlace(x.req.headers);
      return await uploads.append(repo, id, bodySource(x.req), { ...place, signal: x.signal });
    } catch (error) {
      const refusal = toOciError(error, 'BLOB_UPLOAD_UNKNOWN');
      if (refusal.status !== 416) throw error;
      // The session lives: the refusal says where to go on.
      const session = await uploads.get(repo, id);
      for (const [header, value] of Object.entries(progress(repo, session))) {
        if (value !== undefined) x.res.setHeader(header, value);
      }
      throw refusal;
    }
  }

  /** Ends a session of which nothing is left to be told; one that has ended already is fine. */
  async #discard(repo: RepoName, id: UploadId): Promise<void> {
    try {
      await this.#registry.uploads.cancel(repo, id);
    } catch (error) {
      if (isStorageError(error, 'missing')) return;
      // The sweep of idle sessions ends it later; the first error matters more to the client.
      this.#registry.logger.warn({ err: error, upload: id }, 'upload not cancelled');
    }
  }
}

/** `Range` is inclusive and has no way to say "nothing": an empty session is `0-0` as well. */
function progress(repo: RepoName, session: UploadSession): OutgoingHttpHeaders {
  return {
    Location: `/v2/${repo}/blobs/uploads/${session.id}`,
    Range: `0-${Math.max(0, session.size - 1)}`,
    'Docker-Upload-UUID': session.id,
  };
}

function sendCreated(x: Exchange, repo: RepoName, digest: Digest): void {
  sendEmpty(x.res, 201, {
    Location: `/v2/${repo}/blobs/${digest}`,
    'Docker-Content-Digest': digest,
  });
}
