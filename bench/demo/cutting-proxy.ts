import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** A cut drops what the client's side has not read yet: the last bytes get this long. */
const LAST_BYTES_MS = 250;

/** A flaky link on loopback: passes bytes on until it is told to cut. */
export interface CuttingProxy {
  readonly url: string;
  /**
   * Cuts the first connection that has carried `bytes` toward the client since now, once. Resolves
   * to false from then on if nothing was cut.
   */
  cutAfter(bytes: number): void;
  /** How many connections were cut. */
  readonly cuts: number;
  close(): Promise<void>;
}

/** Starts a TCP proxy to a server of ours. */
export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let budget = Number.POSITIVE_INFINITY;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
      // A cut link resets the other side too: that is what this proxy is for.
      socket.on('error', () => socket.destroy());
    }
    client.pipe(upstream);
    upstream.on('data', (part: Buffer) => {
      if (part.length < budget) {
        budget -= part.length;
        if (!client.write(part)) {
          upstream.pause();
          client.once('drain', () => upstream.resume());
        }
        return;
      }
      const last = part.subarray(0, budget);
      budget = Number.POSITIVE_INFINITY;
      cuts += 1;
      upstream.pause();
      client.write(last, () => setTimeout(() => client.destroy(), LAST_BYTES_MS));
    });
    upstream.on('end', () => client.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAfter(bytes) {
      budget = bytes;
    },
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
