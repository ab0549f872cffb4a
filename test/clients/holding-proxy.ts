import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A proxy that holds back what a server sends, whatever is in it. */
export interface HoldingProxy {
  /** Host and port. */
  readonly host: string;
  /** Resolves once a connection is held. */
  readonly held: Promise<void>;
  /** Lets everything through from now on. */
  readonly release: () => void;
  readonly close: () => Promise<void>;
}

/** Starts one on loopback; no connection carries more than `bytes` to its client until the release. */
export async function startHoldingProxy(target: string, bytes: number): Promise<HoldingProxy> {
  const [hostname = '', port] = target.split(':');
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  let limit = bytes;
  let tellHeld = (): void => undefined;
  const held = new Promise<void>((resolve) => (tellHeld = resolve));

  const server = createServer((client) => {
    const origin = connect(Number(port), hostname);
    let passed = 0;
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(origin);
    origin.on('data', (part) => {
      passed += part.length;
      if (!client.write(part)) {
        origin.pause();
        client.once('drain', () => origin.resume());
      }
      if (passed < limit) return;
      origin.pause();
      client.removeAllListeners('drain');
      waiting.add(() => origin.resume());
      tellHeld();
    });
    origin.on('end', () => client.end());
    client.on('close', () => origin.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  return {
    host: `127.0.0.1:${address.port}`,
    held,
    release() {
      limit = Infinity;
      for (const resume of waiting) resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
