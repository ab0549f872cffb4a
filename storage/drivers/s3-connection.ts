import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { Client } from 'minio';

import { abortedError, checkAborted } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { fromS3Failure, readS3Error } from './s3-errors.ts';

/** Silence on a connection after which it is given up. Progress, not a deadline for the transfer. */
const IDLE_MS = 60_000;
/** A presigned request is sent at once; this only has to cover clocks that differ. */
const PRESIGN_SECONDS = 900;

export interface S3Account {
  /** `http://host[:port]` or `https://host[:port]`. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
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
}

/**
 * Every request to S3 goes through here and is bounded: by the caller's signal, which closes the
 * socket, and by a limit on silence. Bytes travel in presigned requests over a keep-alive pool of our
 * own ({@link send}); lists, copies and multipart control go through the minio client ({@link control}),
 * whose transport is ours too: the client's own retries never run, since it is never shown a 5xx.
 */
export class S3Connection {
  readonly #client: Client;
  readonly #agent: http.Agent;
  readonly #secure: boolean;
  readonly #call = new AsyncLocalStorage<{
    readonly signal: AbortSignal | undefined;
    readonly what: string;
  }>();

  /** Throws `invalid_name` for an endpoint that is not a plain http or https origin. */
  constructor(account: S3Account) {
    const url = parseEndpoint(account.endpoint);
    this.#secure = url.protocol === 'https:';
    const pool = { keepAlive: true, maxFreeSockets: 64 };
    this.#agent = this.#secure ? new https.Agent(pool) : new http.Agent(pool);
    this.#client = new Client({
      endPoint: url.hostname,
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      useSSL: this.#secure,
      region: account.region,
      accessKey: account.accessKey,
      secretKey: account.secretKey,
      retryOptions: { disableRetry: true },
      transport: { request: this.#transport.bind(this) as typeof http.request },
    });
  }

  /** Runs calls of the minio client. Rejects with `aborted` or what the server's answer means. */
  async control<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    checkAborted(signal, what);
    try {
      return await this.#call.run({ signal, what }, () => work(this.#client));
    } catch (error) {
      throw signal?.aborted === true ? abortedError(signal, what) : fromS3Failure(error, what);
    }
  }

  /** Sends one presigned request; any status but 200, 204 and 206 is an error. The caller consumes the answer. */
  async send(request: S3Request): Promise<http.IncomingMessage> {
    const { method, bucket, object, query, signal, what } = request;
    checkAborted(signal, what);
    try {
      const url = await this.#client.presignedUrl(method, bucket, object, PRESIGN_SECONDS, {
        ...query,
      });
      const response = await this.#exchange(new URL(url), request);
      if ([200, 204, 206].includes(response.statusCode ?? 0)) return response;
      throw await readS3Error(response, what);
    } catch (error) {
      throw signal?.aborted === true ? abortedError(signal, what) : fromS3Failure(error, what);
    }
  }

  #exchange(
    url: URL,
    { method, headers, body, signal, what }: S3Request,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = this.#request(
        url,
        { method, headers: { ...headers, ...bodyHeaders(body) }, signal },
        what,
      );
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** What the minio client uses in place of `http.request`. */
  #transport(
    options: http.RequestOptions,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest {
    const { signal, what } = this.#call.getStore() ?? { signal: undefined, what: 'S3 request' };
    const sent = this.#request(undefined, { ...options, signal }, what);
    sent.on('response', (response) => {
      const status = response.statusCode ?? 0;
      if (status < 500 && status !== 408 && status !== 429) {
        onResponse(response);
        return;
      }
      readS3Error(response, what).then(
        (error) => sent.emit('error', error),
        (error: unknown) => sent.emit('error', error),
      );
    });
    return sent;
  }

  #request(url: URL | undefined, options: http.RequestOptions, what: string): http.ClientRequest {
    const request = this.#secure ? https.request : http.request;
    const full = { ...options, agent: this.#agent };
    const sent = url === undefined ? request(full) : request(url, full);
    let response: http.IncomingMessage | undefined;
    sent.on('response', (answer) => {
      response = answer;
    });
    sent.setTimeout(IDLE_MS, () => {
      // A reader that is slower than the server is no fault of the server's.
      if (response?.isPaused() === true) {
        sent.setTimeout(IDLE_MS);
        return;
      }
      const error = new StorageError(
        'unavailable',
        `${what}: no byte for ${IDLE_MS / 1000} seconds`,
      );
      if (response === undefined) sent.destroy(error);
      else response.destroy(error);
    });
    return sent;
  }
}

/** Content-MD5 lets the server refuse a body that was damaged on the way. */
function bodyHeaders(body: Buffer | undefined): Record<string, string> {
  if (body === undefined) return {};
  const md5 = createHash('md5').update(body).digest('base64');
  return { 'content-length': String(body.length), 'content-md5': md5 };
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
