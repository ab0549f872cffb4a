import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to the origin on which every byte is counted. */
export interface CountingProxy {
  readonly url: string;
  /** Bytes that came from the origin so far, heads of answers included. */
  readonly bytes: () => number;
  /** Connections made so far. */
  readonly connections: () => number;
  /** From now on nothing comes from the origin, until {@link release}. */
  readonly hold: () => void;
  readonly release: () => void;
  /** Cuts every connection and takes no other: the origin is gone. */
  readonly close: () => Promise<void>;
}

/** Relays connections to the origin at `target`, a base URL on loopback. */
export async function startProxy(target: string): Promise<CountingProxy> {
  const port = Number(new URL(target).port);
  const pairs = new Set<{ readonly client: Socket; readonly origin: Socket }>();
  let bytes = 0;
  let connections = 0;
  let held = false;
  const server = createServer((client) => {
    connections += 1;
    const origin = connect(port, '127.0.0.1');
    const pair = { client, origin };
    pairs.add(pair);
    client.pipe(origin);
    origin.on('data', (part: Buffer) => {
      bytes += part.length;
      if (client.write(part)) return;
      origin.pause();
      client.once('drain', () => {
        if (!held) origin.resume();
      });
    });
    origin.on('end', () => client.end());
    if (held) origin.pause();
    for (const socket of [client, origin]) {
      // A connection that breaks on one side is broken on the other.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        pairs.delete(pair);
        client.destroy();
        origin.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    connections: () => connections,
    hold() {
      held = true;
      for (const { origin } of pairs) origin.pause();
    },
    release() {
      held = false;
      for (const { origin } of pairs) origin.resume();
    },
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      for (const { client } of pairs) client.destroy();
      await closed;
    },
  };
}
