import { randomBytes } from 'node:crypto';

import { checkBytes } from '../byte-source.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { UploadPart, UploadSession } from '../catalog/upload-catalog.ts';
import type { Clock } from '../clock.ts';
import { digestAlgorithm, digestMismatch, digestOf, type Digest } from '../digest.ts';
import { checkAborted } from '../durable.ts';
import { StorageError, isStorageError } from '../errors.ts';
import {
  blobKey,
  parseUploadId,
  uploadPartKey,
  uploadPrefix,
  type ObjectKey,
  type UploadId,
} from '../keys.ts';
import { sweepParts } from '../gc/parts.ts';
import type { RepoName } from '../names.ts';
import type { ByteSource, IoOptions, ObjectStore } from '../object-store.ts';
import { retry } from '../retry.ts';
import { Intake } from './intake.ts';
import { mergeableParts, mergeParts } from './merge.ts';
import { findParts, readParts } from './parts.ts';

/**
 * Parts of one session: bounds what is read to go on with it. Small ones are merged as they gather, so
 * only pieces of more than 4 MiB get there, after 40 GiB.
 */
const MAX_PARTS = 10_000;
const EMPTY = digestOf(Buffer.alloc(0));
/** How often a commit looks for parts that the store does not list. */
const COMMIT_TRIES = 3;
/** Sessions looked up at once by a sweep. */
const SWEEP_BATCH = 100;

export interface UploadServiceOptions {
  readonly objects: ObjectStore;
  readonly catalog: Pick<Catalog, 'uploads' | 'repositories'>;
  readonly clock: Clock;
}

export interface AppendOptions extends IoOptions {
  /** Where the client believes the session to be; `out_of_order` unless it is. */
  readonly offset?: number | undefined;
  /** Bytes that the client promised. */
  readonly length?: number | undefined;
}

/**
 * Upload sessions: bytes arrive in order and in any pieces, and become a blob once the client says
 * which. A session is a catalog row plus one object for each append (OCI distribution 1.1, "Pushing
 * blobs"). Any number of processes may serve one session; of two that append at one offset, one wins
 * and the other gets `out_of_order`.
 */
export class UploadService {
  readonly #objects: ObjectStore;
  readonly #catalog: Pick<Catalog, 'uploads' | 'repositories'>;
  readonly #clock: Clock;

  constructor(options: UploadServiceOptions) {
    this.#objects = options.objects;
    this.#catalog = options.catalog;
    this.#clock = options.clock;
  }

  async start(repo: RepoName): Promise<UploadSession> {
    const id = parseUploadId(randomBytes(16).toString('hex'));
    await this.#catalog.uploads.create(id, repo);
    return this.get(repo, id);
  }

  /** `missing` when there is no such session in that repository. */
  async get(repo: RepoName, id: UploadId): Promise<UploadSession> {
    const session = await this.#catalog.uploads.get(id);
    if (session?.repo !== repo) {
      throw new StorageError(
        'missing',
        `no upload ${id} in ${repo}: it was committed, cancelled or left alone for too long`,
        {
          detail: { id, repo },
        },
      );
    }
    return session;
  }

  /**
   * Stores the source's bytes at the end of the session and returns the session as it is then.
   *
   * When the source breaks off (its own error, the signal, fewer bytes than `length`), the bytes that
   * arrived are kept before the error is thrown, so that the client can ask where to go on. More
   * bytes than `length` keep nothing: `size_mismatch`.
   */
  async append(
    repo: RepoName,
    id: UploadId,
    source: ByteSource,
    options: AppendOptions = {},
  ): Promise<UploadSession> {
    const session = await this.get(repo, id);
    if (options.offset !== undefined && options.offset !== session.size) {
      throw outOfOrder(id, options.offset, session.size);
    }
    if (session.parts.length >= MAX_PARTS) {
      throw new StorageError(
        'too_large',
        `upload ${id} has ${MAX_PARTS} parts: send larger pieces`,
      );
    }
    const intake = new Intake(source, {
      what: `upload ${id}`,
      length: options.length,
      signal: options.signal,
    });
    const key = uploadPartKey(id, session.size, randomBytes(8).toString('hex'));
    await this.#objects.put(key, intake);
    if (intake.size === 0) {
      await this.#objects.delete(key);
      intake.check();
      return session;
    }
    const part = { offset: session.size, size: intake.size, digest: intake.digest };
    await this.#record(session, key, part);
    intake.check();
    const parts = [...session.parts, part];
    await this.#merge(id, parts, options);
    return { ...session, size: part.offset + part.size, parts };
  }

  /** The bytes are there and recorded: a merge that fails is made up for by the next append. */
  async #merge(id: UploadId, parts: readonly UploadPart[], options: IoOptions): Promise<void> {
    const run = mergeableParts(parts);
    if (run.length === 0) return;
    const stores = { objects: this.#objects, uploads: this.#catalog.uploads };
    await Promise.allSettled([mergeParts(stores, { id }, run, options)]);
  }

  /**
   * Makes the session's bytes the blob `digest` of the repository and ends the session. After
   * `digest_mismatch` nothing is visible and the session is as before. Committing a blob that exists
   * still checks the session's bytes: knowing a digest is no proof of having the blob.
   */
  async commit(
    repo: RepoName,
    id: UploadId,
    digest: Digest,
    options: IoOptions = {},
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const { signal } = options;
    checkAborted(signal, `commit of upload ${id}`);
    // A collector that is just removing an old blob of that digest refuses the link for a moment, parts
    // may be merged while they are read, and some stores list an object later than it is there.
    let tries = 0;
    let created = false;
    const size = await retry(
      async () => {
        const session = await this.get(repo, id);
        tries += 1;
        const mayLag = tries < COMMIT_TRIES;
        created = (await this.#publish(session, digest, mayLag, signal)) || created;
        await this.#catalog.repositories.linkBlob(repo, digest, session.size, { created });
        return session.size;
      },
      { attempts: COMMIT_TRIES, signal },
    );
    await this.#catalog.uploads.delete(id);
    // The blob is there and linked: parts that can't be removed now must not fail the commit, and
    // sweep() finds them as parts without a session.
    await Promise.allSettled([this.#removeParts(id)]);
    return { digest, size };
  }

  /** Ends the session and forgets its bytes; `missing` when there is none. */
  async cancel(repo: RepoName, id: UploadId): Promise<void> {
    await this.get(repo, id);
    await this.#catalog.uploads.delete(id);
    await this.#removeParts(id);
  }

  /**
   * Ends sessions untouched for `ttlMs` and removes parts of that age without a session. Returns how
   * many of each. Safe to run in several processes at once.
   */
  async sweep(
    ttlMs: number,
    options: IoOptions = {},
  ): Promise<{ readonly sessions: number; readonly parts: number }> {
    const beforeMs = this.#clock() - ttlMs;
    let sessions = 0;
    for (;;) {
      checkAborted(options.signal, 'sweep of uploads');
      const stale = await this.#catalog.uploads.endStale(beforeMs, SWEEP_BATCH);
      for (const id of stale) await this.#removeParts(id);
      sessions += stale.length;
      if (stale.length < SWEEP_BATCH) break;
    }
    const cleaning = {
      objects: this.#objects,
      catalog: this.#catalog,
      dryRun: false,
      signal: options.signal,
    };
    return { sessions, parts: await sweepParts(cleaning, beforeMs) };
  }

  async #record({ repo, id }: UploadSession, key: ObjectKey, part: UploadPart): Promise<void> {
    try {
      await this.#catalog.uploads.append(id, part);
    } catch (error) {
      // Only a conflict says for certain that no row names the part.
      if (!isStorageError(error, 'conflict')) throw error;
      await this.#objects.delete(key);
      throw outOfOrder(id, part.offset, (await this.get(repo, id)).size);
    }
  }

  /** True if the blob was not there before. */
  async #publish(
    session: UploadSession,
    digest: Digest,
    mayLag: boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const expected = { digest, size: session.size };
    const what = `upload ${session.id}`;
    // One part was digested as it came in: no byte needs to be read again.
    const known = session.parts.length <= 1 && digestAlgorithm(digest) === 'sha256';
    const whole = session.parts[0]?.digest ?? EMPTY;
    if (known && whole !== digest) throw digestMismatch(what, digest, whole);
    const parts = await findParts(this.#objects, session, signal);
    if (parts === undefined) {
      if (known && (await this.#objects.stat(blobKey(digest), { signal })) !== undefined)
        return false;
      throw await this.#lostPart(session, mayLag);
    }
    const [only] = parts;
    const fresh = (await this.#objects.stat(blobKey(digest), { signal })) === undefined;
    if (known && fresh && only !== undefined) {
      await this.#objects.move(only.key, blobKey(digest), { signal });
      return true;
    }
    const open = (): AsyncIterable<Uint8Array> => readParts(this.#objects, parts, signal);
    const check = async (): Promise<void> => {
      if (!known) await checkBytes(open(), { expected, what, signal });
    };
    try {
      // A store that has the blob does not read the source. Checked before the blob is touched: between
      // that and its link little time must pass, or a collector may have come and gone.
      if (!fresh) await check();
      const { created } = await this.#objects.put(blobKey(digest), open(), { expected, signal });
      if (!created && fresh) await check();
      return created;
    } catch (error) {
      throw isStorageError(error, 'missing') ? await this.#lostPart(session, mayLag) : error;
    }
  }

  /** Why a part that the session named is not there; `missing` when the session has ended itself. */
  async #lostPart(session: UploadSession, mayLag: boolean): Promise<StorageError> {
    const { id, repo } = session;
    const now = await this.get(repo, id);
    if (now.parts.length !== session.parts.length) {
      return new StorageError('unavailable', `parts of upload ${id} were merged just now`);
    }
    if (mayLag) {
      return new StorageError('unavailable', `the store does not list a part of upload ${id}`);
    }
    return new StorageError('corrupt', `upload ${id} lost a part: cancel it and push again`);
  }

  async #removeParts(id: UploadId): Promise<void> {
    for await (const { key } of this.#objects.list(uploadPrefix(id)))
      await this.#objects.delete(key);
  }
}

function outOfOrder(id: UploadId, offset: number, size: number): StorageError {
  return new StorageError(
    'out_of_order',
    `upload ${id} has ${size} bytes, the piece begins at ${offset}`,
    {
      detail: { id, offset, size },
    },
  );
}
