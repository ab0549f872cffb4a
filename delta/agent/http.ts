import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { errnoOf } from '../../storage/durable.ts';
import { CountedHttpAgent, CountedHttpsAgent, WireCounter, type SessionStore } from './connect.ts';
import { DeviceError } from './errors.ts';
import { DEVICE_HEADER } from './protocol.ts';
import { readBody } from './read-body.ts';
import { tlsFault } from './tls-faults.ts';

export interface HttpRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
  /** Likely the only one of its run: the fewest bytes count, the connection is not kept. */
  readonly isAlone?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Who asks, and whom the secret is for. */
export interface Credentials {
  readonly deviceId: string;
  readonly token?: string | undefined;
  /** Base URLs of the servers that the token is shown to; nobody else gets it. */
  readonly servers: readonly string[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** The body as it arrives. Consume it or call `discard`. */
  readonly body: AsyncIterable<Buffer>;
  readonly discard: () => void;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * A small HTTP client with connections that are kept. Waiting for an answer or for the next byte of
 * it may take `stallMs`, the whole transfer any time: a slow link is not a broken one. Every network
 * fault is `unreachable`. The device's name does not follow a redirect to another host; its token goes
 * to the device's own servers only, whoever names a URL.
 */
export class HttpClient {
  readonly #wire = new WireCounter();
  readonly #http = new CountedHttpAgent(this.#wire);
  readonly #https: CountedHttpsAgent;
  readonly #credentials: Credentials;
  /** Scheme, host and port of the device's own servers. */
  readonly #own: ReadonlySet<string>;
  readonly #stallMs: number;

  constructor(credentials: Credentials, stallMs: number, sessions?: SessionStore) {
    this.#https = new CountedHttpsAgent(this.#wire, sessions);
    this.#credentials = credentials;
    this.#own = new Set(credentials.servers.map((server) => new URL(server).origin));
    this.#stallMs = stallMs;
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const origin = new URL(request.url).host;
    let url = new URL(request.url);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const message = await this.#once(request, url, url.host === origin);
      const location = message.headers.location;
      if (request.method !== 'GET' || !REDIRECTS.has(message.statusCode ?? 0)) {
        return this.#answer(message, url, request.signal);
      }
      message.destroy();
      if (location === undefined || !URL.canParse(location, url.href)) {
        throw new DeviceError('bad_answer', `${url.href} redirects to nowhere`);
      }
      url = new URL(location, url);
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw new DeviceError('bad_answer', `${request.url} redirects to ${url.protocol}`);
      }
    }
    throw new DeviceError(
      'bad_answer',
      `${request.url} redirects more than ${MAX_REDIRECTS} times`,
    );
  }

  /** Bytes that all requests so far have moved on the wire, both ways. */
  get wireBytes(): number {
    return this.#wire.bytes;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #once(request: HttpRequest, url: URL, named: boolean): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? httpsRequest : httpRequest)(url, {
        method: request.method,
        agent: secure ? this.#https : this.#http,
        signal: request.signal,
        timeout: this.#stallMs,
        headers: {
          ...(request.isAlone === true
            ? { connection: 'close' }
            : { 'accept-encoding': 'identity' }),
          ...(named ? { [DEVICE_HEADER]: this.#credentials.deviceId } : {}),
          ...this.#authorization(url),
          ...(request.body === undefined ? {} : { 'content-length': `${request.body.length}` }),
          ...request.headers,
        },
      });
      outgoing.once('response', (message) => {
        outgoing.setTimeout(0);
        resolve(message);
      });
      outgoing.once('timeout', () => {
        outgoing.destroy(new Error(`no byte for ${this.#stallMs} ms`));
      });
      outgoing.on('error', (cause) => {
        reject(networkError(request.signal, url, cause));
      });
      outgoing.end(request.body);
    });
  }

  #authorization(url: URL): Readonly<Record<string, string>> {
    const { token } = this.#credentials;
    if (token === undefined || !this.#own.has(url.origin)) return {};
    return { authorization: `Bearer ${token}` };
  }

  #answer(message: IncomingMessage, url: URL, signal: AbortSignal): HttpAnswer {
    return {
      status: message.statusCode ?? 0,
      header: (name) => {
        const value = message.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      },
      body: bodyOf(message, url, this.#stallMs, signal),
      discard: () => message.destroy(),
    };
  }
}

/** The body's bytes; `unreachable` when it breaks off or stalls. */
async function* bodyOf(
  message: IncomingMessage,
  url: URL,
  stallMs: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const body = readBody(message, stallMs);
  try {
    for (;;) {
      const next = await arrival(body, url, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await body.return(undefined);
  }
}

/** Only what reading throws is the network's fault, not what its reader does with the bytes. */
async function arrival(
  body: AsyncGenerator<Buffer>,
  url: URL,
  signal: AbortSignal,
): Promise<IteratorResult<Buffer>> {
  try {
    return await body.next();
  } catch (cause) {
    throw networkError(signal, url, cause);
  }
}

function networkError(signal: AbortSignal, url: URL, cause: unknown): DeviceError {
  if (signal.aborted) return new DeviceError('aborted', `${url.href}: stopped`, { cause });
  return new DeviceError('unreachable', `${url.href}: ${reason(cause)}`, { cause });
}

function reason(cause: unknown): string {
  const fault = tlsFault(cause);
  if (fault !== undefined) return fault;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message === '' ? (errnoOf(cause) ?? cause.name) : cause.message;
}

/** A whole small body; `bad_answer` past the bound. */
export async function readAll(answer: HttpAnswer, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer.body) {
    size += part.length;
    if (size > maxBytes) {
      throw new DeviceError('bad_answer', `an answer is larger than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}
