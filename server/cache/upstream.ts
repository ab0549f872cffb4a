import {
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';

import { tlsFault } from '../../delta/agent/tls-faults.ts';
import type { Clock } from '../../storage/clock.ts';
import { abortedError, checkAborted } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import { Reachability } from './reachability.ts';
import { pause, pauseAfter, type RetryPolicy } from './retry.ts';
import { createAgents, type Agents, type UpstreamTls } from './upstream-agents.ts';
import type { UpstreamAuth } from './upstream-auth.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Transfers of blobs at once; what devices wait for goes beside them, on other connections. */
const MAX_TRANSFERS = 256;
/** No byte for so long: the connection counts as broken. A whole transfer has no deadline. */
const PROGRESS_MS = 15_000;
/** The same for an answer that there is a substitute for. */
const FAIL_FAST_MS = 5000;
const RETRY: RetryPolicy = { attempts: 3, pauseMs: 100, maxPauseMs: 5000 };

export interface UpstreamOptions {
  /** The origin's base URL; a path is kept as a prefix. */
  readonly base: string;
  /** What messages call it; default `the origin`. */
  readonly role?: string | undefined;
  readonly auth?: UpstreamAuth | undefined;
  /** Of TLS connections to it, and to where it redirects. */
  readonly tls?: UpstreamTls | undefined;
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
 * retries, `aborted`; an `UpstreamError` for what it refuses. What `auth` says goes to the upstream
 * itself, never to where it redirects.
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
  #probing = false;
  /** Why it was not to be had the last time. */
  #fault = '';

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#base = new URL(options.base);
    this.host = this.#base.host;
    this.state = new Reachability(options.clock);
    this.#progressMs = options.progressMs ?? PROGRESS_MS;
    this.#retry = options.retry ?? RETRY;
    this.#agents = createAgents(Infinity, options.tls);
    this.#transferAgents = createAgents(MAX_TRANSFERS, options.tls);
  }

  get #role(): string {
    return this.#options.role ?? 'the origin';
  }

  /** The base URL without a trailing slash. */
  get url(): string {
    return this.#base.href.replace(/\/+$/, '');
  }

  /** Sends a request, again after connection errors and 5xx, and follows redirects of GET and HEAD. */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const probe = request.failFast === true && this.state.reachable === false;
    // One of those that would not wait finds out whether it is back; a thousand could topple it again.
    if (probe && (this.state.holdingOff || this.#probing)) {
      const why = `${this.#role} ${this.host} was not to be had just now: ${this.#fault}`;
      throw new StorageError('unavailable', why);
    }
    if (!probe) return this.#try(request, request.attempts ?? this.#retry.attempts);
    this.#probing = true;
    try {
      return await this.#try(request, 1);
    } finally {
      this.#probing = false;
    }
  }

  async #try(request: UpstreamRequest, attempts: number): Promise<UpstreamAnswer> {
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
      const answer = await this.#authorized(url, request);
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
        throw new UpstreamError('refused', `${this.#role}'s redirects lead nowhere`, { status });
      }
      url = new URL(location, url);
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw new UpstreamError('refused', `${this.#role} redirects to ${url.protocol}`, {
          status,
        });
      }
    }
  }

  /** Sends with what `auth` says; once more when that says something else after a 401. */
  async #authorized(url: URL, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { auth } = this.#options;
    if (auth === undefined || url.origin !== this.#base.origin) return this.#send(url, request);
    const shown = await auth.header(request.path);
    const answer = await this.#send(url, request, shown);
    if (answer.status !== 401 || auth.refused === undefined) return answer;
    const challenge = answer.headers['www-authenticate'] ?? '';
    this.discard(answer);
    if (!(await auth.refused(request.path, challenge, shown))) return answer;
    return this.#send(url, request, await auth.header(request.path));
  }

  /** Resolves with the answer's head. */
  #send(url: URL, request: UpstreamRequest, authorization?: string): Promise<UpstreamAnswer> {
    const { method, body, signal } = request;
    const secure = url.protocol === 'https:';
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...request.headers };
    if (authorization !== undefined) headers['authorization'] = authorization;
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
    return new StorageError('unavailable', `${this.#role} ${this.host} is not to be had: ${why}`, {
      cause,
    });
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'unavailable';
}
