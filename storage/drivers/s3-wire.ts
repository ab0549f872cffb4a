import { createHash } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';

import { StorageError } from '../errors.ts';

export interface S3Exchange {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Requests over a keep-alive pool, bounded by a limit on silence: progress, not a deadline for the transfer. */
export class S3Wire {
  readonly secure: boolean;
  readonly #agent: http.Agent;
  readonly #idleMs: number;

  constructor(secure: boolean, idleMs: number) {
    this.secure = secure;
    this.#idleMs = idleMs;
    const pool = { keepAlive: true, maxFreeSockets: 64 };
    this.#agent = secure ? new https.Agent(pool) : new http.Agent(pool);
  }

  /** Begins a request; a silent connection fails with `unavailable`. Neither `response` nor `error` is handled. */
  request(url: URL | undefined, options: http.RequestOptions, what: string): http.ClientRequest {
    const begin = this.secure ? https.request : http.request;
    const full = { ...options, agent: this.#agent };
    const sent = url === undefined ? begin(full) : begin(url, full);
    let response: http.IncomingMessage | undefined;
    sent.on('response', (answer) => {
      response = answer;
    });
    sent.setTimeout(this.#idleMs, () => {
      // A reader that is slower than the server is no fault of the server's.
      if (response?.isPaused() === true) {
        sent.setTimeout(this.#idleMs);
        return;
      }
      const error = new StorageError(
        'unavailable',
        `${what}: no byte for ${this.#idleMs / 1000} seconds`,
      );
      if (response === undefined) sent.destroy(error);
      else response.destroy(error);
    });
    return sent;
  }

  /** Sends a request whole and resolves to the answer, whatever its status. */
  exchange(
    url: URL,
    { headers, body, ...options }: S3Exchange,
    what: string,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const all = { ...headers, ...bodyHeaders(body) };
      const sent = this.request(url, { ...options, headers: all }, what);
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

/** Content-MD5 lets the server refuse a body that was damaged on the way. */
function bodyHeaders(body: Buffer | undefined): Readonly<Record<string, string>> {
  if (body === undefined) return {};
  const md5 = createHash('md5').update(body).digest('base64');
  return { 'content-length': String(body.length), 'content-md5': md5 };
}
