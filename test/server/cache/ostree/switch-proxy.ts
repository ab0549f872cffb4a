import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server that can be gone, be counted and be cut. */
export class SwitchProxy {
  /** Bytes that came back from the server since it was last looked at. */
  #received = 0;
  #port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;
  #cut: { bytes: number; times: number } | undefined;

  constructor(target: string) {
    this.#target = new URL(target);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Takes the same port each time. */
  async up(): Promise<void> {
    this.#server = createServer((client) => {
      this.#pass(client);
    }).listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#port = address.port;
  }

  /** Nothing listens any more, and what was open is cut. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of this.#sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }

  /** Bytes from the server since the last call. */
  taken(): number {
    const bytes = this.#received;
    this.#received = 0;
    return bytes;
  }

  /** The next connections that carry so many bytes to the client are reset there. */
  cutAfter(bytes: number, times = 1): void {
    this.#cut = { bytes, times };
  }

  #pass(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    let passed = 0;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(server);
    server.on('data', (part: Buffer) => {
      this.#received += part.length;
      passed += part.length;
      const cut = this.#cut;
      if (cut !== undefined && cut.times > 0 && passed > cut.bytes) {
        cut.times -= 1;
        client.resetAndDestroy();
        return;
      }
      if (client.write(part)) return;
      server.pause();
      client.once('drain', () => server.resume());
    });
  }
}
