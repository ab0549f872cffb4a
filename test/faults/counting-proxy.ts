import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to another server that tells how much of it is in use. */
export interface CountingProxy {
  readonly url: string;
  /** Connections that are open now. */
  open(): number;
  /** Bytes that came back from the server. */
  received(): number;
  stop(): Promise<void>;
}

/** Passes connections on to `target` (`http://host:port`), byte for byte. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let received = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    sockets.add(client);
    upstream.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    client.pipe(upstream).pipe(client);
    const end = (): void => {
      sockets.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.once('close', end).on('error', end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    open: () => sockets.size,
    received: () => received,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
