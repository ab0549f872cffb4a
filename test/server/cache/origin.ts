import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';

import { digestOf, type Digest } from '../../../storage/digest.ts';
import type { ByteRange } from '../../../storage/object-store.ts';
import { sendProblem } from '../../../server/http/errors.ts';
import type { Exchange, RawRoute } from '../../../server/http/exchange.ts';
import { listen, type HttpServer } from '../../../server/http/http-server.ts';
import { sendBlob } from '../../../server/http/send-blob.ts';
import { sendJson } from '../../../server/oci/respond.ts';
import { silent } from './tools.ts';

const STEP = 64 * 1024;

/** An origin with faults to order: real HTTP, blobs through the product's own `sendBlob`. */
export class FakeOrigin {
  readonly blobs = new Map<Digest, Buffer>();
  /** Body bytes of blobs that were handed out. */
  sent = 0;
  /** GET requests for blobs, by their Range. */
  readonly asked: (string | undefined)[] = [];
  /** Every request: `METHOD path`. */
  readonly seen: string[] = [];
  /** Answers a request instead of the origin. */
  intercept: ((x: Exchange) => boolean | Promise<boolean>) | undefined;
  /** Changes bytes on their way. */
  spoil: ((bytes: Buffer, offset: number) => Buffer) | undefined;
  /** Breaks the connection before this byte of the blob. */
  cutAt = Infinity;
  pauseMs = 0;
  #server: HttpServer | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  add(bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  async start(): Promise<void> {
    const routes: RawRoute[] = [(x) => this.#route(x)];
    this.#server = await listen({ routes, host: '127.0.0.1', port: this.#port, logger: silent });
    this.#port = Number(new URL(this.#server.url).port);
  }

  /** Cuts every connection; the next start takes the same port. */
  async stop(): Promise<void> {
    await this.#server?.close(0);
    this.#server = undefined;
  }

  async #route(x: Exchange): Promise<boolean> {
    this.seen.push(`${x.req.method ?? ''} ${x.req.url ?? ''}`);
    if ((await this.intercept?.(x)) === true) return true;
    const match = /\/blobs\/(.+)$/.exec(x.path);
    const digest = match?.[1] as Digest | undefined;
    const bytes = digest === undefined ? undefined : this.blobs.get(digest);
    if (digest === undefined || bytes === undefined) {
      sendProblem(x.res, { status: 404, code: 'not_found' });
      return true;
    }
    if (x.req.method === 'GET') this.asked.push(x.req.headers.range);
    const open = (range: ByteRange): Promise<Readable> =>
      Promise.resolve(Readable.from(this.#bytes(bytes, range), { highWaterMark: 1 }));
    await sendBlob(x, { digest, size: bytes.length, open });
    return true;
  }

  async *#bytes(bytes: Buffer, { start, endExclusive }: ByteRange): AsyncGenerator<Buffer> {
    for (let at = start; at < endExclusive; at += STEP) {
      if (at >= this.cutAt) throw new Error('cut');
      const part = bytes.subarray(at, Math.min(at + STEP, endExclusive));
      if (this.pauseMs > 0) await sleep(this.pauseMs);
      this.sent += part.length;
      yield this.spoil?.(Buffer.from(part), at) ?? part;
    }
  }
}

/** Answers with JSON and an ETag, as the API does. */
export function answerJson(x: Exchange, value: unknown): void {
  const etag = `"${digestOf(Buffer.from(JSON.stringify(value)))}"`;
  if (x.req.headers['if-none-match'] === etag) x.res.writeHead(304, { ETag: etag }).end();
  else sendJson(x.res, 200, value, { ETag: etag });
}
