import { Readable } from 'node:stream';

import type { CachedOstreeFile } from '../../../storage/catalog/cache-ostree-files.ts';
import { verifyBytes, type Digest } from '../../../storage/digest.ts';
import { isStorageError, StorageError, type StorageErrorCode } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendBlob } from '../../http/send-blob.ts';
import type { Logger } from '../../observe/logger.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { Turns } from '../../ostree/turns.ts';
import type { CachedObjects } from '../../../storage/catalog/cache-objects.ts';
import type { BlobCache } from '../blob-cache.ts';
import type { RetryPolicy } from '../retry.ts';
import { sendLeasedBlob } from '../send-cached-blob.ts';
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

  /** True when all of these can be had without the origin. */
  async areHere(repo: RepoName, insides: Iterable<string>): Promise<boolean> {
    const { known, objects } = this.#options;
    const digests = new Set<Digest>();
    for (const inside of insides) {
      const file = await known.get(`${repo}/${inside}`);
      if (file === undefined) return false;
      if (file.body === undefined) digests.add(file.digest);
    }
    return (await objects.complete([...digests])).size === digests.size;
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
      if (!isStorageError(error, 'no_space')) throw error;
      logger.debug({ path, err: error }, 'no room for the first block');
    }
    return known.put({ path, digest, size, body: undefined });
  }
}
