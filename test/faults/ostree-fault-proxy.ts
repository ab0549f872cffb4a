import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** What goes wrong with an answer. */
export type Fault =
  /** Another answer, without a body. */
  | { readonly kind: 'status'; readonly status: number }
  /** The connection is reset once so much of the body is out. */
  | { readonly kind: 'reset'; readonly share: number }
  /** The connection ends there in peace, short of the length that was said. */
  | { readonly kind: 'cut'; readonly share: number }
  /** The body ends there, and so says its length. */
  | { readonly kind: 'short'; readonly share: number }
  /** One bit of the body is another. */
  | { readonly kind: 'flip'; readonly share: number }
  /** Longer than the file is, with a length to match. */
  | { readonly kind: 'long'; readonly bytes: number }
  /** The body comes in so many pieces, each after a pause. */
  | { readonly kind: 'slow'; readonly pieces: number; readonly pauseMs: number };

/** A proxy that spoils answers. */
export interface FaultProxy {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: readonly string[];
  /** How many answers for a path that fits were spoiled. */
  spoiled(path: RegExp): number;
  /** Spoils the next `times` answers of 200 whose path fits. */
  spoil(path: RegExp, fault: Fault, times?: number): void;
  /** No more faults. */
  mend(): void;
  readonly close: () => Promise<void>;
}

/** Ends with a hop (RFC 9110, 7.6.1); curl offers h2c with them. */
const HOP_HEADERS = ['connection', 'upgrade', 'http2-settings', 'keep-alive'];
/** Answers are held whole to be spoiled: tests use small files. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Starts one on loopback before a server, for clients that only read. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: { readonly path: RegExp; readonly fault: Fault; left: number }[] = [];
  const asked: string[] = [];
  const spoiled: string[] = [];

  const server = createServer((req, res) => {
    const path = req.url ?? '';
    asked.push(path);
    passOn(new URL(path, target), req)
      .then(async (answer) => {
        const one = faults.find((fault) => fault.left > 0 && fault.path.test(path));
        if (one === undefined || answer.status !== 200) {
          res.writeHead(answer.status, answer.headers).end(answer.body);
          return;
        }
        one.left -= 1;
        spoiled.push(path);
        await sendSpoiled(res, answer, one.fault);
      })
      .catch(() => res.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    spoiled: (path) => spoiled.filter((one) => path.test(one)).length,
    spoil(path, fault, times = 1) {
      faults.push({ path, fault, left: times });
    },
    mend() {
      faults.length = 0;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function passOn(url: URL, { method, headers }: IncomingMessage): Promise<Answer> {
  const kept = Object.entries(headers).filter(([name]) => !HOP_HEADERS.includes(name));
  const sent = request(url, { method, headers: Object.fromEntries(kept) });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    parts.push(part as Buffer);
    size += (part as Buffer).length;
    if (size > MAX_BYTES) throw new Error(`${url.pathname} is more than a test should use`);
  }
  const own = Object.entries(response.headers).filter(([name]) => !HOP_HEADERS.includes(name));
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(own),
    body: Buffer.concat(parts),
  };
}

function sendWhole(res: ServerResponse, { headers }: Answer, body: Buffer): void {
  res.writeHead(200, { ...headers, 'content-length': body.length }).end(body);
}

async function sendSpoiled(res: ServerResponse, answer: Answer, fault: Fault): Promise<void> {
  const { headers, body } = answer;
  const at = 'share' in fault ? Math.floor(body.length * fault.share) : 0;
  switch (fault.kind) {
    case 'status':
      res.writeHead(fault.status, { 'content-length': 0 }).end();
      return;
    case 'reset':
    case 'cut':
      res.writeHead(200, headers);
      // What is still in a buffer when the connection is reset would be lost.
      await new Promise((sent) => res.write(body.subarray(0, at), sent));
      await pause(20);
      if (fault.kind === 'cut') res.socket?.destroySoon();
      else res.socket?.resetAndDestroy();
      return;
    case 'short':
      sendWhole(res, answer, body.subarray(0, at));
      return;
    case 'long':
      sendWhole(res, answer, Buffer.concat([body, Buffer.alloc(fault.bytes, 'x')]));
      return;
    case 'flip': {
      const wrong = Buffer.from(body);
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      sendWhole(res, answer, wrong);
      return;
    }
    case 'slow': {
      res.writeHead(200, headers);
      const step = Math.ceil(body.length / fault.pieces);
      for (let from = 0; from < body.length; from += step) {
        res.write(body.subarray(from, from + step));
        await pause(fault.pauseMs);
      }
      res.end();
    }
  }
}
