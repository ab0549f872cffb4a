import type { CachedDocument, CachedDocuments } from '../../storage/catalog/cache-documents.ts';
import type { Clock } from '../../storage/clock.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Logger } from '../observe/logger.ts';
import { setAge } from './send-manifest.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';

const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_QUERY_VALUE = 512;
/** What goes along with a body. */
const KEPT_HEADERS = ['content-type', 'link', 'oci-filters-applied'] as const;

export interface DocumentCacheOptions {
  readonly upstream: Upstream;
  readonly documents: CachedDocuments;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Answers that change with every push (tag lists, referrers): the origin is asked each time, so
 * that nobody sees stale ones while it is there, and its last answer is served when it is gone.
 */
export class DocumentCache {
  readonly #options: DocumentCacheOptions;

  constructor(options: DocumentCacheOptions) {
    this.#options = options;
  }

  /** Answers GET or HEAD; of the query only the named parameters go to the origin. */
  async send(x: Exchange, path: string, parameters: readonly string[]): Promise<void> {
    const query = new URLSearchParams();
    for (const name of parameters) {
      const value = x.query.get(name);
      if (value !== null) query.set(name, value.slice(0, MAX_QUERY_VALUE));
    }
    const full = query.size === 0 ? path : `${path}?${query.toString()}`;
    const { document, staleSeconds } = await this.#get(full, x.signal);
    for (const [name, value] of Object.entries(document.headers)) x.res.setHeader(name, value);
    setAge(x.res, staleSeconds);
    x.res.writeHead(200, { 'Content-Length': document.body.length });
    x.res.end(x.req.method === 'HEAD' ? undefined : document.body);
  }

  async #get(
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly document: CachedDocument; readonly staleSeconds?: number }> {
    const { upstream, documents, clock } = this.#options;
    const known = await documents.get(path);
    try {
      const headers = known?.etag === undefined ? {} : { 'if-none-match': known.etag };
      const answer = await upstream.request({
        method: 'GET',
        path,
        headers,
        signal,
        failFast: true,
      });
      if (answer.status === 304 && known !== undefined) {
        upstream.discard(answer);
        await documents.confirm(path, clock());
        return { document: known };
      }
      return { document: await this.#take(path, answer, signal) };
    } catch (error) {
      if (isStorageError(error, 'missing')) await documents.delete(path);
      if (known === undefined || !isStorageError(error, 'unavailable')) throw error;
      const ageMs = Math.max(0, clock() - known.checkedMs);
      return { document: known, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  async #take(path: string, answer: UpstreamAnswer, signal: AbortSignal): Promise<CachedDocument> {
    const { upstream, documents, clock, logger } = this.#options;
    try {
      expectStatus(answer, path, [200]);
    } catch (error) {
      upstream.discard(answer);
      throw error;
    }
    const body = await upstream.readAll(answer, MAX_DOCUMENT_BYTES, signal);
    const document: CachedDocument = {
      etag: answer.headers.etag,
      headers: keptHeaders(answer, upstream.url),
      body,
      checkedMs: clock(),
    };
    try {
      await documents.put(path, document);
    } catch (error) {
      logger.warn({ path, err: error }, 'cannot keep an answer of the origin');
    }
    return document;
  }
}

/** A link to the origin's own address becomes one to ours. */
function keptHeaders({ headers }: UpstreamAnswer, originUrl: string): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value.replace(`<${originUrl}/`, '</');
  }
  return kept;
}
