import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

import { tlsFault } from '../../delta/agent/tls-faults.ts';
import type { Clock } from '../../storage/clock.ts';
import { abortedError, checkAborted } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import { Reachability } from './reachability.ts';
import { pause, pauseAfter, type RetryPolicy } from './retry.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Transfers of blobs at once; what devices wait for goes beside them, on other connections. */
const MAX_TRANSFERS = 256;
const MAX_FREE_CONNECTIONS = 16;
/** No byte for so long: the connection counts as broken. A whole transfer has no deadline. */
const PROGRESS_MS = 15_000;
/** The same for an answer that there is a substitute for. */
const FAIL_FAST_MS = 5000;
const RETRY: RetryPolicy = { attempts: 3, pauseMs: 100, maxPauseMs: 5000 };

export interface UpstreamOptions {
  /** The origin's base URL; a path is kept as a prefix. */
  readonly base: string;
  /** Shown to the origin and nobody else. */
  readonly token?: string | undefined;
  readonly clock: Clock;
  /** Told of body bytes as they arrive. */
  readonly onBytes: (count: number) => void;
  readonly progressMs?: number | undefined;
  readonly retry?: RetryPolicy | undefined;
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Rather an error at once than a wait, while the origin is known to be gone; one try only. */
  readonly failFast?: boolean | undefined;
  /** The answer may take long to read: it must not keep others from the origin. */
  readonly transfer?: boolean | undefined;
  /** Tries in all; default 3. */
  readonly attempts?: number | undefined;
}

/** An answer below 500 whose body is still to be read: consume it with {@link Upstream.read} or `discard`. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly message: IncomingMessage;
}

/**
 * A client of the origin over kept-alive connections. Bodies come as they are stored (identity).
 * Errors: `StorageError` `unavailable` when the origin does not answer or answers 5xx after bounded
 * retries, `aborted`; an `UpstreamError` for what it refuses. The token, if there is one, goes to the
 * origin itself with every request, never to where it redirects.
 */
export class Upstream {
  /** As in a URL: host and port. */
  readonly host: string;
  readonly state: Reachability;
  readonly #base: URL;
  readonly #options: UpstreamOptions;
  readonly #progressMs: number;
  readonly #retry: RetryPolicy;
  readonly #agents: Agents;
  readonly #transferAgents: Agents;
  /** Why it was not to be had the last time. */
  #fault = '';

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#base = new URL(options.base);
    this.host = this.#base.host;
    this.state = new Reachability(options.clock);
    this.#progressMs = options.progressMs ?? PROGRESS_MS;
    this.#retry = options.retry ?? RETRY;
    this.#agents = createAgents(Infinity);
    this.#transferAgents = createAgents(MAX_TRANSFERS);
  }

  /** The base URL without a trailing slash. */
  get url(): string {
    return this.#base.href.replace(/\/+$/, '');
  }

  /** Sends a request, again after connection errors and 5xx, and follows redirects of GET and HEAD. */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    if (request.failFast === true && this.state.holdingOff) {
      const why = `the origin ${this.host} was not to be had just now: ${this.#fault}`;
      throw new StorageError('unavailable', why);
    }
    const known = this.state.reachable;
    const single = request.failFast === true && known === false;
    const attempts = single ? 1 : (request.attempts ?? this.#retry.attempts);
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.#attempt(request);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        this.state.failed();
        if (failures >= attempts) throw error;
      }
      await pause(pauseAfter(failures, this.#retry), request.signal);
    }
  }

  /**
   * The body of an answer, part by part. Throws `unavailable` when no byte comes for the progress
   * time or the connection breaks; leaving the loop early breaks the connection.
   */
  async *read(
    answer: UpstreamAnswer,
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { message } = answer;
    const broken = (why: string, cause?: unknown): StorageError => {
      this.state.failed();
      return this.#gone(why, cause);
    };
    // Time counts only while bytes are awaited: a slow consumer is no fault of the origin.
    const arm = (): NodeJS.Timeout =>
      setTimeout(() => {
        message.destroy(broken(`no byte for ${this.#progressMs} ms`));
      }, this.#progressMs);
    let late = arm();
    const abort = (): void => {
      message.destroy();
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      checkAborted(signal, 'reading from the origin');
      for await (const part of message) {
        const bytes = part as Buffer;
        clearTimeout(late);
        this.#options.onBytes(bytes.length);
        yield bytes;
        late = arm();
      }
    } catch (error) {
      if (signal?.aborted === true) throw abortedError(signal, 'reading from the origin');
      throw error instanceof StorageError ? error : broken('the connection broke', error);
    } finally {
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
      message.destroy();
    }
  }

  /** A whole small body. Throws an `UpstreamError` past `maxBytes`. */
  async readAll(answer: UpstreamAnswer, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const bytes of this.read(answer, signal)) {
      size += bytes.length;
      if (size > maxBytes) {
        throw new UpstreamError('refused', `the origin sent more than ${maxBytes} bytes`, answer);
      }
      parts.push(bytes);
    }
    return Buffer.concat(parts, size);
  }

  /** Lets a short body go by, so that its connection can be used again. */
  discard({ message }: UpstreamAnswer): void {
    const late = setTimeout(() => {
      message.destroy();
    }, this.#progressMs);
    message.once('close', () => {
      clearTimeout(late);
    });
    message.resume();
  }

  close(): void {
    for (const { http, https } of [this.#agents, this.#transferAgents]) {
      http.destroy();
      https.destroy();
    }
  }

  async #attempt(request: UpstreamRequest): Promise<UpstreamAnswer> {
    let url = new URL(this.#base.href.replace(/\/+$/, '') + request.path);
    for (let hops = 0; ; hops += 1) {
      const answer = await this.#send(url, request);
      const { status, headers } = answer;
      if (status >= 500) {
        this.discard(answer);
        throw this.#gone(`it answered ${status}`);
      }
      this.state.answered();
      const { location } = headers;
      if (!REDIRECTS.has(status) || location === undefined || request.method === 'POST') {
        return answer;
      }
      this.discard(answer);
      if (hops === MAX_REDIRECTS || !URL.canParse(location, url.href)) {
        throw new UpstreamError('refused', `the origin's redirects lead nowhere`, { status });
      }
      url = new URL(location, url);
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw new UpstreamError('refused', `the origin redirects to ${url.protocol}`, { status });
      }
    }
  }

  /** Resolves with the answer's head. */
  #send(url: URL, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { method, body, signal } = request;
    const secure = url.protocol === 'https:';
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...request.headers };
    const { token } = this.#options;
    if (token !== undefined && url.origin === this.#base.origin) {
      headers['authorization'] = `Bearer ${token}`;
    }
    if (body !== undefined) headers['content-length'] = body.length.toString();
    const agents = request.transfer === true ? this.#transferAgents : this.#agents;
    const options = { method, headers, agent: secure ? agents.https : agents.http };
    const waitMs = Math.min(
      this.#progressMs,
      request.failFast === true ? FAIL_FAST_MS : this.#progressMs,
    );
    return new Promise((resolve, reject) => {
      checkAborted(signal, 'asking the origin');
      const sent: ClientRequest = secure ? httpsRequest(url, options) : httpRequest(url, options);
      const late = setTimeout(() => {
        sent.destroy(new Error(`no answer for ${waitMs} ms`));
      }, waitMs);
      const abort = (): void => {
        sent.destroy();
      };
      const settle = (): void => {
        clearTimeout(late);
        signal?.removeEventListener('abort', abort);
      };
      signal?.addEventListener('abort', abort, { once: true });
      sent.on('error', (error) => {
        settle();
        if (signal?.aborted === true) reject(abortedError(signal, 'asking the origin'));
        else reject(this.#gone(tlsFault(error) ?? error.message, error));
      });
      sent.once('response', (message) => {
        settle();
        resolve({ status: message.statusCode ?? 0, headers: message.headers, message });
      });
      sent.end(body);
    });
  }

  #gone(why: string, cause?: unknown): StorageError {
    this.#fault = why;
    return new StorageError('unavailable', `the origin ${this.host} is not to be had: ${why}`, {
      cause,
    });
  }
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

function createAgents(maxSockets: number): Agents {
  const settings = { keepAlive: true, maxSockets, maxFreeSockets: MAX_FREE_CONNECTIONS };
  return { http: new HttpAgent(settings), https: new HttpsAgent(settings) };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'unavailable';
}
