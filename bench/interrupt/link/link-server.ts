import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { DEVICE_HEADER } from '../../../delta/agent/protocol.ts';
import type { DeviceLink } from './device-link.ts';

const PIECE_BYTES = 16 * 1024;
const BLOB = /^\/v1\/blobs\/(sha256:[0-9a-f]{64})$/;
const PAGE = '<!doctype html><title>Welcome</title><form action="/login">Log in to go on</form>';

/** A server in front of one of ours that passes requests on as the device's link allows. */
export interface LinkServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts one on a free port of loopback. `linkOf` finds the link by what the device calls itself;
 * `strikes` says what faults are for: before an origin only for blobs, for a cache passes on checks in
 * the device's name.
 */
export async function startLinkServer(
  target: () => string,
  linkOf: (deviceId: string) => DeviceLink | undefined,
  strikes: 'everything' | 'blobs',
): Promise<LinkServer> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((req, res) => {
    const passes = strikes === 'blobs' && !BLOB.test(req.url ?? '');
    const link = passes ? undefined : linkOf(String(req.headers[DEVICE_HEADER]));
    // A device or a server that was killed leaves half an exchange: that is what is tested.
    res.on('error', () => undefined);
    pass({ req, res, link, target: target(), agent }).catch(() => res.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Passing {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly link: DeviceLink | undefined;
  readonly target: string;
  readonly agent: Agent;
}

async function pass({ req, res, link, target, agent }: Passing): Promise<void> {
  const [, digest] = BLOB.exec(req.url ?? '') ?? [];
  const fault = link?.mode?.kind;
  if (fault === 'portal' || (fault === 'portal-blobs' && digest !== undefined)) {
    link?.modeStruck();
    req.resume();
    res.writeHead(200, { 'content-type': 'text/html', 'content-length': PAGE.length }).end(PAGE);
    return;
  }
  if (digest !== undefined) await link?.look();
  const loses = fault === 'lossy' && Math.random() * 100 < (link?.mode?.at ?? 0);
  if (loses) link?.modeStruck();
  if (loses && digest === undefined) {
    res.destroy();
    return;
  }
  const headers = { ...req.headers };
  if (fault === 'strip-range' && headers.range !== undefined) {
    link?.modeStruck();
    Reflect.deleteProperty(headers, 'range');
    Reflect.deleteProperty(headers, 'if-range');
  }
  const onward = request(target + (req.url ?? ''), { method: req.method, headers, agent });
  res.once('close', () => onward.destroy());
  req.pipe(onward);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  if (digest === undefined || link === undefined || (answer.statusCode ?? 0) >= 300) {
    for await (const part of answer) res.write(part);
    res.end();
    return;
  }
  const most = Number(answer.headers['content-length'] ?? 0);
  await carry(answer, res, link, digest, loses ? Math.random() * most : Infinity);
}

/** Passes a blob's bytes on at the link's rate, piece by piece, up to where it breaks. */
async function carry(
  answer: IncomingMessage,
  res: ServerResponse,
  link: DeviceLink,
  digest: string,
  breaksAfter: number,
): Promise<void> {
  let sent = 0;
  let at = Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? 0);
  let dueMs = Date.now();
  for await (const part of answer as AsyncIterable<Buffer>) {
    for (let done = 0; done < part.length;) {
      const room = link.roomBeforeBreak() ?? PIECE_BYTES;
      const piece = part.subarray(done, done + Math.min(PIECE_BYTES, room));
      if (res.destroyed) return;
      if (piece.length > 0) {
        const free = res.write(piece);
        link.carried(digest, at, piece.length);
        if (!free) await flushed(res);
      }
      at += piece.length;
      done += piece.length;
      sent += piece.length;
      if (sent > breaksAfter) {
        res.destroy();
        return;
      }
      if (link.roomBeforeBreak() === 0) {
        await breakOff(res, link);
        return;
      }
      dueMs = Math.max(dueMs, Date.now() - 5) + (piece.length * 1000) / link.rate;
      if (dueMs - Date.now() >= 1) await sleep(dueMs - Date.now());
    }
  }
  res.end();
}

/** Resolves when more can be written, or nothing ever. */
function flushed(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      res.removeListener('drain', done);
      res.removeListener('close', done);
      resolve();
    };
    res.once('drain', done);
    res.once('close', done);
  });
}

async function breakOff(res: ServerResponse, link: DeviceLink): Promise<void> {
  if (link.breakNow()) {
    await once(res, 'close');
    return;
  }
  // Half of the cuts end cleanly, half with a reset that drops what was not read yet.
  if (link.run.bytes % 2 === 0) res.socket?.end();
  else res.socket?.resetAndDestroy();
}
