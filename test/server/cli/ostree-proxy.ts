import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';

/** What came through a proxy. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** Bytes of its body. */
  bytes: number;
}

/** A proxy before a server that sees what is asked, and can act on it or cut it off. */
export interface SeeingProxy {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** Runs before a request is passed on. */
  before: (request: SeenRequest) => Promise<void>;
  /** So many bodies more are cut off after so many bytes, with the connection. */
  cut: (times: number, afterBytes: number) => void;
  readonly close: () => Promise<void>;
}

export async function startSeeingProxy(target: string): Promise<SeeingProxy> {
  const seen: SeenRequest[] = [];
  const cuts = { times: 0, afterBytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const one = { method: request.method ?? '', path: request.url ?? '', bytes: 0 };
    seen.push(one);
    const pass = async (): Promise<void> => {
      await proxy.before(one);
      const { method, headers } = request;
      const upstream = httpRequest(new URL(one.path, target), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      upstream.on('error', () => request.socket.destroy());
      request.on('error', () => upstream.destroy());
      request.on('data', (part: Buffer) => {
        one.bytes += part.length;
        if (cuts.times === 0 || one.bytes < cuts.afterBytes) return;
        cuts.times -= 1;
        request.socket.destroy();
        upstream.destroy();
      });
      request.pipe(upstream);
    };
    void pass();
  }).listen(0, '127.0.0.1');
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const proxy: SeeingProxy = {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    before: () => Promise.resolve(),
    cut(times, afterBytes) {
      Object.assign(cuts, { times, afterBytes });
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
