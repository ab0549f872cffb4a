import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { BlobStore } from '../../../storage/blob-store.ts';
import { readBlob } from '../../../storage/blob-store.ts';
import { parseDigest, type Digest } from '../../../storage/digest.ts';
import {
  DEVICE_HEADER,
  type CheckRequest,
  type Decision,
  type EventsRequest,
  type Plan,
  type ReportedEvent,
} from '../../../delta/agent/protocol.ts';
import type { SampleRelease } from './sample-release.ts';

export interface BlobRequest {
  readonly digest: Digest;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly status: number;
}

/** A small region server: checks, events and blobs, with faults on demand. */
export class SampleRegion {
  readonly url: string;
  readonly blobRequests: BlobRequest[] = [];
  readonly checks: CheckRequest[] = [];
  readonly events: { readonly decision: string; readonly event: ReportedEvent }[] = [];
  readonly devices = new Set<string>();
  /** What checks are answered with; undefined answers `no_release`. */
  offer: { readonly target: SampleRelease; readonly plans: readonly Plan[] } | undefined;
  /** What decisions carry beside. */
  limits: Pick<Decision, 'maxBytes' | 'maxBps' | 'notBeforeMs' | 'installWindow' | 'meteredFull'> =
    {};
  /** Blobs come whole, whatever range is asked for, while this is set. */
  wholeAnswers = false;
  /** Answers to these blobs end with a destroyed socket after so many bytes, once. */
  readonly cuts = new Map<Digest, number>();
  /** Called when one of them begins. */
  onCut: () => void = () => undefined;
  /** These blobs come with one byte flipped. */
  readonly flipped = new Set<Digest>();
  /** A captive portal answers for these blobs, once. */
  readonly portals = new Set<Digest>();
  /** These blobs are missing. */
  readonly missing = new Set<Digest>();
  /** Goes into ETags: another value is another version. */
  version = '';
  /** Pause after each 16 KiB. */
  delayMs = 0;
  /** Blobs are asked for and never answered while this is set. */
  silent = false;
  /** Checks are refused with 503 while this is set. */
  checksDown = false;
  /** Events are refused with 503 while this is set. */
  eventsDown = false;
  /** Knows what the first agents sent: checks must say what they accept, no event has `wireBytes`. */
  isOld = false;
  readonly #blobs: BlobStore;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<Socket>();
  #closedBytes = 0;

  private constructor(blobs: BlobStore, server: ReturnType<typeof createServer>) {
    this.#blobs = blobs;
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(blobs: BlobStore): Promise<SampleRegion> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const region = new SampleRegion(blobs, server);
    server.on('connection', (socket: Socket) => {
      region.#sockets.add(socket);
      socket.once('close', () => {
        region.#sockets.delete(socket);
        region.#closedBytes += socket.bytesRead + socket.bytesWritten;
      });
    });
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      region.#answer(req, res).catch((error: unknown) => {
        res.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
    return region;
  }

  /** Bytes that went over its connections, both ways. */
  get wireBytes(): number {
    let bytes = this.#closedBytes;
    for (const socket of this.#sockets) bytes += socket.bytesRead + socket.bytesWritten;
    return bytes;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** How a device's last decisions ended, in order. */
  eventTypes(): readonly string[] {
    return this.events.map(({ event }) =>
      event.plan === undefined ? event.type : `${event.type} ${event.plan}`,
    );
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '';
    this.devices.add(String(req.headers[DEVICE_HEADER]));
    const [, events] = /^\/v1\/decisions\/([^/]+)\/events$/.exec(path) ?? [];
    if (path === '/v1/check') await this.#check(req, res);
    else if (events !== undefined) await this.#takeEvents(decodeURIComponent(events), req, res);
    else await this.#blob(parseDigest(path.replace('/v1/blobs/', '')), req, res);
  }

  async #check(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const ask = (await readJson(req)) as CheckRequest;
    if (this.checksDown) {
      res.writeHead(503).end();
      return;
    }
    this.checks.push(ask);
    if (this.isOld && ask.accept === undefined) {
      res.writeHead(400).end();
      return;
    }
    const current = ask.current[0]?.digest;
    const { offer } = this;
    if (offer === undefined || current === offer.target.manifest.digest) {
      const reason = offer === undefined ? 'no_release' : 'up_to_date';
      res.writeHead(204, { 'rivulet-reason': reason, 'retry-after': '60' }).end();
      return;
    }
    const decision: Decision = {
      id: `d-${this.checks.length}`,
      product: ask.product,
      channel: ask.channel,
      platform: `${ask.os}/${ask.arch}`,
      target: { ...offer.target.manifest, releaseCounter: 1 },
      from: current,
      plans: offer.plans,
      blobs: [`${this.url}/v1/blobs/`],
      expiresMs: Date.now() + 3_600_000,
      ...this.limits,
    };
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(decision));
  }

  async #takeEvents(id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { events } = (await readJson(req)) as EventsRequest;
    if (this.eventsDown) {
      res.writeHead(503).end();
      return;
    }
    if (this.isOld && events.some(({ wireBytes }) => wireBytes !== undefined)) {
      res.writeHead(400).end();
      return;
    }
    for (const event of events) {
      const known = this.events.some(
        (seen) => seen.decision === id && seen.event.seq === event.seq,
      );
      if (!known) this.events.push({ decision: id, event });
    }
    res.writeHead(204).end();
  }

  async #blob(digest: Digest, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { range } = req.headers;
    const ifRange = req.headers['if-range']?.toString();
    const note = (status: number): void => {
      this.blobRequests.push({ digest, range, ifRange, status });
    };
    if (this.missing.has(digest) || (await this.#blobs.stat(digest)) === undefined) {
      note(404);
      res.writeHead(404).end();
      return;
    }
    if (this.portals.delete(digest)) {
      note(200);
      res.writeHead(200, { 'content-type': 'text/html' }).end('<p>Please log in.</p>');
      return;
    }
    let bytes = await readBlob(this.#blobs, digest, { maxBytes: 1e9 });
    if (this.flipped.has(digest)) {
      bytes = Buffer.from(bytes);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    }
    const etag = `"${digest}${this.version}"`;
    const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
    const useRange =
      match !== null && !this.wholeAnswers && (ifRange === undefined || ifRange === etag);
    const start = useRange ? Number(match[1]) : 0;
    const last = useRange && match[2] !== '' ? Number(match[2]) : bytes.length - 1;
    note(useRange ? 206 : 200);
    if (this.silent) return;
    res.writeHead(useRange ? 206 : 200, {
      etag,
      'content-length': last - start + 1,
      ...(useRange ? { 'content-range': `bytes ${start}-${last}/${bytes.length}` } : {}),
    });
    await this.#send(digest, bytes.subarray(start, last + 1), res);
  }

  async #send(digest: Digest, body: Buffer, res: ServerResponse): Promise<void> {
    const cut = this.cuts.get(digest);
    this.cuts.delete(digest);
    if (cut !== undefined) this.onCut();
    const end = Math.min(body.length, cut ?? body.length);
    for (let at = 0; at < end; at += 16_384) {
      if (res.destroyed) return;
      await handOver(res, body.subarray(at, Math.min(end, at + 16_384)));
      if (this.delayMs > 0) await sleep(this.delayMs);
    }
    if (cut === undefined) res.end();
    else res.destroy();
  }
}

/** Resolves once the system has the bytes: it delivers them even if the connection ends then. */
function handOver(res: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    res.once('close', resolve);
    res.write(bytes, () => {
      res.removeListener('close', resolve);
      resolve();
    });
  });
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of req) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}
