import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { RequestHeads } from './request-heads.ts';
import { REQUEST_KINDS, requestKind, type RequestKind } from './request-kind.ts';

/** Requests, and the bytes that the server sent for them, heads included. */
export interface Counted {
  readonly requests: number;
  readonly bytes: number;
}

export type Traffic = Readonly<Record<RequestKind, Counted>>;

/** A way to a server on loopback that counts what crosses it. */
export interface CountingProxy {
  readonly url: string;
  /** Since the start. Throws if something came that is no request of an ostree client. */
  traffic(): Traffic;
  close(): Promise<void>;
}

/** Passes connections on to `target`, byte for byte. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const counts = new Map(REQUEST_KINDS.map((kind) => [kind, { requests: 0, bytes: 0 }]));
  const sockets = new Set<Socket>();
  let fault: unknown;
  const count = (kind: RequestKind, requests: number, bytes: number): void => {
    const { requests: before, bytes: sum } = counts.get(kind) ?? { requests: 0, bytes: 0 };
    counts.set(kind, { requests: before + requests, bytes: sum + bytes });
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const heads = new RequestHeads();
    // A client asks on a connection again when it has its answer.
    let kind: RequestKind = 'document';
    client.on('data', (part: Buffer) => {
      try {
        for (const asked of heads.add(part)) {
          kind = requestKind(asked);
          count(kind, 1, 0);
        }
      } catch (error) {
        fault = error;
        client.destroy();
      }
    });
    upstream.on('data', (part: Buffer) => {
      count(kind, 0, part.length);
    });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // One side that is gone takes the other along; the client under test tells of what broke.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traffic() {
      if (fault !== undefined) throw new Error('the proxy cannot count', { cause: fault });
      const of = (kind: RequestKind): Counted => counts.get(kind) ?? { requests: 0, bytes: 0 };
      return {
        document: of('document'),
        superblock: of('superblock'),
        part: of('part'),
        object: of('object'),
      };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** All kinds together. */
export function total(traffic: Traffic): Counted {
  const all = Object.values(traffic);
  return {
    requests: all.reduce((sum, { requests }) => sum + requests, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
