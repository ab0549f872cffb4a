import { AsyncLocalStorage } from 'node:async_hooks';
import type * as http from 'node:http';
import { Client } from 'minio';

import { abortedError, checkAborted } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { RetryBudget } from '../retry-budget.ts';
import { retry, type RetryOptions } from '../retry.ts';
import { checkDocument } from './s3-document.ts';
import { fromS3Failure, readS3Error } from './s3-errors.ts';
import { hedged, HedgePolicy } from './s3-hedge.ts';
import { S3Wire } from './s3-wire.ts';

/** Silence on a connection after which it is given up, unless the account says otherwise. */
const IDLE_MS = 30_000;
/** A presigned request is sent at once; this only has to cover clocks that differ. */
const PRESIGN_SECONDS = 900;
/** Tries of one request: 100, 200, 400, 800 ms apart and more, as long as the budget lasts. */
const ATTEMPTS = 5;
const BASE_DELAY_MS = 100;
/** No request is tried again after this. */
const MAX_ELAPSED_MS = 60_000;
const GOOD = new Set([200, 204, 206]);

export interface S3Account {
  /** `http://host[:port]` or `https://host[:port]`. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** For servers that are known well, and tests. */
  readonly patience?: S3Patience | undefined;
}

export interface S3Patience {
  /** Silence on a connection after which it is given up; 30,000 unless given. */
  readonly idleMs?: number | undefined;
  /** The pause before the second try of a request; 100 unless given. */
  readonly baseDelayMs?: number | undefined;
  /** Tries of one request; 5 unless given. */
  readonly attempts?: number | undefined;
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly bucket: string;
  readonly object: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For messages. */
  readonly what: string;
  /** Throws for an answer that is not the one asked for; with a retryable error it is asked for again. */
  readonly check?: ((response: http.IncomingMessage) => void) | undefined;
  /** A short read: asked for twice when the first answer is late. */
  readonly hedge?: boolean | undefined;
}

/**
 * Every request to S3 goes through here. Each is bounded, by the caller's signal, which closes the
 * socket, and by a limit on silence; and tried again with growing pauses while the server's answer
 * says that it may help, out of one budget for the whole store. All requests are idempotent: keys
 * name their content. Bytes travel in presigned requests over a keep-alive pool of our own
 * ({@link send}); lists, copies and multipart control go through the minio client ({@link control}),
 * which is shown nothing but good answers: its own retries and error parser never run.
 */
export class S3Connection {
  /** How requests are tried again, and the budget of all of them; broken bodies are resumed by the same. */
  readonly retrying: RetryOptions & { readonly budget: RetryBudget };
  readonly #client: Client;
  readonly #wire: S3Wire;
  readonly #hedging = new HedgePolicy();
  readonly #call = new AsyncLocalStorage<{
    readonly signal: AbortSignal | undefined;
    readonly what: string;
  }>();

  /** Throws `invalid_name` for an endpoint that is not a plain http or https origin. */
  constructor(account: S3Account) {
    const url = parseEndpoint(account.endpoint);
    const { patience = {} } = account;
    this.retrying = {
      attempts: patience.attempts ?? ATTEMPTS,
      baseDelayMs: patience.baseDelayMs ?? BASE_DELAY_MS,
      maxElapsedMs: MAX_ELAPSED_MS,
      budget: new RetryBudget(),
    };
    const secure = url.protocol === 'https:';
    this.#wire = new S3Wire(secure, patience.idleMs ?? IDLE_MS);
    this.#client = new Client({
      endPoint: url.hostname,
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      useSSL: secure,
      region: account.region,
      accessKey: account.accessKey,
      secretKey: account.secretKey,
      retryOptions: { disableRetry: true },
      transport: { request: this.#transport.bind(this) as typeof http.request },
    });
  }

  /** Runs one call of the minio client. Rejects with `aborted` or what the server's answer means. */
  async control<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (client: Client) => Promise<T>,
    options: Pick<RetryOptions, 'attempts'> = {},
  ): Promise<T> {
    const { attempts = this.retrying.attempts } = options;
    return this.#again(attempts, what, signal, () =>
      this.#call.run({ signal, what }, () => work(this.#client)),
    );
  }

  /** Sends one presigned request; any status but 200, 204 and 206 is an error. The caller consumes the answer. */
  async send(request: S3Request): Promise<http.IncomingMessage> {
    const { signal, what } = request;
    return this.#again(this.retrying.attempts, what, signal, () => {
      if (request.hedge !== true) return this.#sendOnce(request);
      return hedged(
        this.#hedging,
        (own) => {
          const both = signal === undefined ? own : AbortSignal.any([signal, own]);
          return this.#sendOnce({ ...request, signal: both });
        },
        (answer) => answer.destroy(),
      );
    });
  }

  #again<T>(
    attempts: number | undefined,
    what: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const once = async (): Promise<T> => {
      checkAborted(signal, what);
      try {
        return await work();
      } catch (error) {
        throw signal?.aborted === true ? abortedError(signal, what) : fromS3Failure(error, what);
      }
    };
    return retry(once, { ...this.retrying, attempts, signal });
  }

  /** Signs anew for each try: a signature is good for some minutes only. */
  async #sendOnce(request: S3Request): Promise<http.IncomingMessage> {
    const { method, bucket, object, query, headers, body, signal, what } = request;
    const url = await this.#client.presignedUrl(method, bucket, object, PRESIGN_SECONDS, {
      ...query,
    });
    const options = { method, headers: headers ?? {}, body, signal };
    const response = await this.#wire.exchange(new URL(url), options, what);
    if (!GOOD.has(response.statusCode ?? 0)) throw await readS3Error(response, what);
    try {
      request.check?.(response);
    } catch (error) {
      response.destroy();
      throw error;
    }
    return response;
  }

  /** What the minio client uses in place of `http.request`. */
  #transport(
    options: http.RequestOptions,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest {
    const { signal, what } = this.#call.getStore() ?? { signal: undefined, what: 'S3 request' };
    const sent = this.#wire.request(undefined, { ...options, signal }, what);
    const answer = async (response: http.IncomingMessage): Promise<void> => {
      try {
        if (!GOOD.has(response.statusCode ?? 0)) throw await readS3Error(response, what);
        onResponse(await checkDocument(response, what));
      } catch (error) {
        sent.emit('error', error);
      }
    };
    sent.on('response', (response) => void answer(response));
    return sent;
  }
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const plain =
    url?.pathname === '/' && url.search === '' && url.username === '' && url.password === '';
  if (url === undefined || !plain || !['http:', 'https:'].includes(url.protocol)) {
    throw new StorageError(
      'invalid_name',
      'the S3 endpoint must be http://host[:port] or https://host[:port], without a path or credentials',
    );
  }
  return url;
}
