import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A proxy before a server that can break its connections. */
export interface CuttingProxy {
  readonly url: string;
  /** The Range headers that came, in order. */
  readonly ranges: readonly string[];
  /** From now on no connection carries more than so many bytes to the client. */
  limit(bytes: number, then: 'cut' | 'stall'): void;
  /** Resolves once a connection has met its limit. */
  readonly met: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Starts a proxy on a free port of loopback, for clients that only read. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const ranges: string[] = [];
  let limit = { bytes: Infinity, then: 'cut' as 'cut' | 'stall' };
  let tellMet = (): void => undefined;
  let met = new Promise<void>((resolve) => (tellMet = resolve));

  const server = createServer((client) => {
    const origin = connect(Number(port), hostname);
    let passed = 0;
    let heads = '';
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (part) => {
      heads += part.toString('latin1');
      const end = heads.lastIndexOf('\r\n\r\n') + 1;
      const found = heads.slice(0, end).matchAll(/^range: *(.+?)\r$/gim);
      for (const [, value] of found) ranges.push(value ?? '');
      heads = heads.slice(end);
      origin.write(part);
    });
    origin.on('data', (part) => {
      const rest = limit.bytes - passed;
      passed += part.length;
      client.write(part.subarray(0, Math.max(0, rest)));
      if (part.length < rest) return;
      origin.pause();
      if (limit.then === 'cut') client.end();
      tellMet();
    });
    client.on('close', () => origin.destroy());
    origin.on('close', () => client.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  return {
    url: `http://127.0.0.1:${address.port}`,
    ranges,
    limit(bytes, then) {
      limit = { bytes, then };
      met = new Promise((resolve) => (tellMet = resolve));
    },
    met: () => met,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
