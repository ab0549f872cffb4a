import type { CachedDocument, CachedDocuments } from '../../storage/catalog/cache-documents.ts';
import type { Clock } from '../../storage/clock.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Logger } from '../observe/logger.ts';
import { ageOf } from './age.ts';
import { JointWork } from './joint-work.ts';
import type { RegistrySource } from './registries/sources.ts';
import { setAge } from './send-manifest.ts';
import type { UpstreamAnswer } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';

const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_QUERY_VALUE = 512;
/** What goes along with a body. */
const KEPT_HEADERS = ['content-type', 'link', 'oci-filters-applied'] as const;

export interface DocumentCacheOptions {
  readonly source: RegistrySource;
  readonly documents: CachedDocuments;
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Found {
  readonly document: CachedDocument;
  readonly staleSeconds?: number | undefined;
}

/** What is asked for, and how links lead on. */
export interface DocumentAsk {
  /** After `/v2/`, such as `demo/app/tags/list`. */
  readonly path: string;
  /** Of the query only these go to the registry. */
  readonly parameters: readonly string[];
  /** What the client put before the repository: `/v2/`, or with a registry's name. */
  readonly root: string;
  /** Repeated in links. */
  readonly ns?: string | undefined;
}

/**
 * Answers that change with every push (tag lists, referrers): the registry is asked each time, once for
 * all who ask the same meanwhile, so that nobody sees stale ones while it is there; its last answer is
 * served when it is gone.
 */
export class DocumentCache {
  readonly #options: DocumentCacheOptions;
  readonly #asking = new JointWork<Found>();

  constructor(options: DocumentCacheOptions) {
    this.#options = options;
  }

  /** Answers GET or HEAD. */
  async send(x: Exchange, { path, parameters, root, ns }: DocumentAsk): Promise<void> {
    const query = new URLSearchParams();
    for (const name of parameters) {
      const value = x.query.get(name);
      if (value !== null) query.set(name, value.slice(0, MAX_QUERY_VALUE));
    }
    const full = query.size === 0 ? path : `${path}?${query.toString()}`;
    const { document, staleSeconds } = await this.#asking.do(full, () => this.#get(full));
    for (const [name, value] of Object.entries(document.headers)) {
      x.res.setHeader(name, name === 'link' ? linkFor(value, root, ns) : value);
    }
    setAge(x.res, staleSeconds);
    x.res.writeHead(200, { 'Content-Length': document.body.length });
    x.res.end(x.req.method === 'HEAD' ? undefined : document.body);
  }

  async #get(asked: string): Promise<Found> {
    const { source, documents, clock } = this.#options;
    const { upstream, root, name } = source;
    const key = `${name}/v2/${asked}`;
    const known = await documents.get(key);
    try {
      const headers = known?.etag === undefined ? {} : { 'if-none-match': known.etag };
      const path = root + asked;
      const answer = await upstream.request({ method: 'GET', path, headers, failFast: true });
      const staleSeconds = ageOf(answer.headers);
      const checkedMs = clock() - (staleSeconds ?? 0) * 1000;
      if (answer.status === 304 && known !== undefined) {
        upstream.discard(answer);
        await documents.confirm(key, checkedMs);
        return { document: known, staleSeconds };
      }
      return { document: await this.#take(key, asked, answer, checkedMs), staleSeconds };
    } catch (error) {
      if (isStorageError(error, 'missing')) await documents.delete(key);
      if (known === undefined || !isStorageError(error, 'unavailable')) throw error;
      const ageMs = Math.max(0, clock() - known.checkedMs);
      return { document: known, staleSeconds: Math.floor(ageMs / 1000) };
    }
  }

  async #take(
    key: string,
    asked: string,
    answer: UpstreamAnswer,
    checkedMs: number,
  ): Promise<CachedDocument> {
    const { source, documents, logger } = this.#options;
    const { upstream } = source;
    try {
      expectStatus(answer, asked, [200]);
    } catch (error) {
      upstream.discard(answer);
      throw error;
    }
    const body = await upstream.readAll(answer, MAX_DOCUMENT_BYTES);
    const { etag } = answer.headers;
    const document = { etag, headers: keptHeaders(answer, source), body, checkedMs };
    try {
      await documents.put(key, document);
    } catch (error) {
      logger.warn({ key, err: error }, 'cannot keep an answer of the registry');
    }
    return document;
  }
}

/** A link to the registry's own address becomes one to ours; what is before the repository goes. */
function keptHeaders(
  { headers }: UpstreamAnswer,
  { upstream, root }: RegistrySource,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = headers[name];
    if (typeof value !== 'string') continue;
    kept[name] = value.replace(`<${upstream.url}/`, '</').replace(`<${root}`, '</v2/');
  }
  return kept;
}

/** The next page is asked for as this one was. */
function linkFor(link: string, root: string, ns: string | undefined): string {
  const led = link.replace('</v2/', `<${root}`);
  if (ns === undefined) return led;
  return led.replace('>', `${led.includes('?') ? '&' : '?'}ns=${encodeURIComponent(ns)}>`);
}
