import { Readable } from 'node:stream';

import type { CachedOstreeFile } from '../../../storage/catalog/cache-ostree-files.ts';
import { verifyBytes, type Digest } from '../../../storage/digest.ts';
import { StorageError, type StorageErrorCode } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendBlob } from '../../http/send-blob.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { Turns } from '../../ostree/turns.ts';
import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import type { BlobCache } from '../blob-cache.ts';
import { keepBlob, type KeepOptions } from '../mirror/keep-blob.ts';
import type { RetryPolicy } from '../retry.ts';
import { sendLeasedBlob } from '../send-cached-blob.ts';
import { passReason } from '../store-away.ts';
import type { Upstream } from '../upstream.ts';
import { fetchFirstBlock } from './first-block.ts';
import type { KnownFiles } from './known-files.ts';
import { originPath } from './origin-path.ts';

/** A file of up to so many bytes is kept in the table: most metadata objects, and most files of a system. */
const SMALL_BYTES = 64 * 1024;
/** The origin has other bytes now, as of a file that it compressed anew, or has it no more; or the disk has. */
const OUTDATED: ReadonlySet<StorageErrorCode> = new Set([
  'missing',
  'digest_mismatch',
  'size_mismatch',
]);
/** First blocks of parts and `.filez` that are fetched at once; each takes a block of memory. */
const FETCHES = 64;

export interface OstreeFilesOptions {
  readonly upstream: Upstream;
  readonly known: KnownFiles;
  readonly blobs: BlobCache;
  readonly objects: CachedObjects;
  readonly retry: RetryPolicy;
  readonly metrics: Pick<Metrics, 'cacheRequests'>;
  readonly logger: Logger;
}

/** A file that never changes. */
export interface OstreeFileName {
  readonly repo: RepoName;
  readonly inside: string;
  /** What its name says of its bytes; undefined where only the origin knows. */
  readonly digest?: Digest | undefined;
}

/**
 * Objects, and parts of static deltas. The first request for one tells its digest and size and brings
 * its first block; a small file is then kept in a table, a larger one is a blob of the cache, filled
 * from the file's path. Each repository's files are asked for at the origin once, so that what another
 * repository has is no way to get at them.
 */
export class OstreeFiles {
  readonly #options: OstreeFilesOptions;
  readonly #fetches = new Map<string, Promise<CachedOstreeFile>>();
  readonly #turns = new Turns(FETCHES);

  constructor(options: OstreeFilesOptions) {
    this.#options = options;
  }

  /** Answers GET or HEAD. Throws `missing`, `unavailable`, faults of the origin's bytes. */
  async send(x: Exchange, name: OstreeFileName): Promise<void> {
    const { known } = this.#options;
    const path = `${name.repo}/${name.inside}`;
    for (;;) {
      const kept = await known.get(path);
      const file = kept ?? (await this.#fetch(path, name));
      const fresh = kept === undefined;
      try {
        await this.#sendFile(x, name, file, fresh);
        return;
      } catch (error) {
        if (!(error instanceof StorageError) || !OUTDATED.has(error.code)) throw error;
        await known.forget(file);
        if (fresh || x.res.headersSent) throw error;
      }
    }
  }

  /**
   * Brings all of a file here, as far as it is not: `admit` is asked first, with the bytes that it takes.
   * Undefined when that says no. `size`: as far as it is known, else a block.
   */
  async keep(
    name: OstreeFileName & { readonly size?: number | undefined },
    options: KeepOptions,
  ): Promise<CachedOstreeFile | undefined> {
    const { known, blobs } = this.#options;
    const path = `${name.repo}/${name.inside}`;
    const kept = await known.get(path);
    if (kept === undefined) {
      const firstBytes = Math.min(name.size ?? BLOCK_BYTES, BLOCK_BYTES);
      if (!(await options.admit(firstBytes))) return undefined;
    }
    const file = kept ?? (await this.#fetch(path, name));
    const { digest, size, body } = file;
    if (body !== undefined) return file;
    const blob = { digest, size, path: originPath(name.repo, name.inside) };
    return (await keepBlob(blobs, blob, options)) ? file : undefined;
  }

  /** True when all of these can be had without the origin. */
  async areHere(repo: RepoName, insides: readonly string[]): Promise<boolean> {
    return (await this.firstMissing(repo, insides)) === undefined;
  }

  /** The first of these that can't be had without the origin; undefined when all can. */
  async firstMissing(repo: RepoName, insides: readonly string[]): Promise<string | undefined> {
    const { known, objects } = this.#options;
    const digests = new Map<string, Digest>();
    for (const inside of insides) {
      const file = await known.get(`${repo}/${inside}`);
      if (file === undefined) return inside;
      if (file.body === undefined) digests.set(inside, file.digest);
    }
    const complete = await objects.complete([...digests.values()]);
    for (const [inside, digest] of digests) if (!complete.has(digest)) return inside;
    return undefined;
  }

  async #sendFile(
    x: Exchange,
    { repo, inside }: OstreeFileName,
    { digest, size, body }: CachedOstreeFile,
    fresh: boolean,
  ): Promise<void> {
    const { blobs, metrics } = this.#options;
    if (body === undefined) {
      await sendLeasedBlob(x, blobs, { digest, size, path: originPath(repo, inside) }, fresh);
      return;
    }
    if (!fresh) verifyBytes(body, { digest }, `the kept ${inside}`);
    metrics.cacheRequests.inc({ result: fresh ? 'miss' : 'hit' });
    const open = ({ start, endExclusive }: { start: number; endExclusive: number }) =>
      Promise.resolve(Readable.from([body.subarray(start, endExclusive)]));
    await sendBlob(x, { digest, size, open });
  }

  /** Once for all who ask meanwhile; nobody's leaving ends it. */
  #fetch(path: string, name: OstreeFileName): Promise<CachedOstreeFile> {
    const running = this.#fetches.get(path);
    if (running !== undefined) return running;
    const fetch = (): Promise<CachedOstreeFile> => this.#fetchFile(path, name);
    // Metadata is there at once; a `.filez` may have to be made first.
    const begun = name.digest === undefined ? this.#turns.take(fetch) : fetch();
    const fetching = begun.finally(() => {
      this.#fetches.delete(path);
    });
    this.#fetches.set(path, fetching);
    return fetching;
  }

  async #fetchFile(path: string, name: OstreeFileName): Promise<CachedOstreeFile> {
    const { upstream, known, blobs, retry, logger } = this.#options;
    const from = originPath(name.repo, name.inside);
    const { digest, size, bytes } = await fetchFirstBlock(upstream, from, {
      expected: name.digest,
      retry,
    });
    if (size <= SMALL_BYTES) return known.put({ path, digest, size, body: bytes });
    try {
      await blobs.begin({ digest, size, path: from }, bytes);
    } catch (error) {
      if (passReason(error) === undefined) throw error;
      logger.debug({ path, err: error }, 'the first block is not kept');
    }
    return known.put({ path, digest, size, body: undefined });
  }
}
