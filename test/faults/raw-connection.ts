import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** The names in lower case; a name that came twice is an error of the reader. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How long a test waits for bytes before it calls the connection hung. */
const HANG_MS = 45_000;

/**
 * A client that sends the bytes it is told to and reads answers one by one, strictly: a byte that
 * belongs to no answer makes the next read fail.
 */
export class RawConnection {
  readonly socket: Socket;
  /** What came and was not yet taken. */
  #parts: Buffer[] = [];
  #size = 0;
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#size += bytes.length;
      this.#wake();
    });
    // A reset is an end too; whoever waits for an answer sees that there is none.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname.replace(/^\[(.*)\]$/, '$1'));
    await once(socket, 'connect');
    socket.setNoDelay(true);
    return new RawConnection(socket);
  }

  send(bytes: Buffer | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next answer; undefined when the connection ended in place of one. */
  async answer(method = 'GET'): Promise<RawAnswer | undefined> {
    const end = await this.#find('\r\n\r\n');
    if (end === undefined) {
      if (this.#size === 0) return undefined;
      throw new Error(`half an answer: ${JSON.stringify(this.#joined().toString('latin1'))}`);
    }
    const [statusLine = '', ...lines] = this.#take(end + 4)
      .toString('latin1')
      .split('\r\n');
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) /.exec(statusLine)?.[1]);
    if (!Number.isInteger(status)) throw new Error(`no status line: ${JSON.stringify(statusLine)}`);
    const headers = readHeaders(lines.filter(Boolean));
    const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    const body = bodyless ? Buffer.alloc(0) : await this.#body(headers);
    return { status, headers, body };
  }

  /** True once the connection has ended without another byte. */
  async ended(): Promise<boolean> {
    await this.#until(() => this.#ended || this.#size > 0);
    return this.#size === 0;
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    if (headers['transfer-encoding'] === 'chunked') return this.#chunks();
    const length = headers['content-length'];
    if (length === undefined) {
      await this.#until(() => this.#ended);
      return this.#take(this.#size);
    }
    await this.#until(() => this.#ended || this.#size >= Number(length));
    if (this.#size < Number(length)) throw new Error('the body ended early');
    return this.#take(Number(length));
  }

  async #chunks(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const end = await this.#find('\r\n');
      if (end === undefined) throw new Error('the chunks ended early');
      const size = Number.parseInt(this.#take(end + 2).toString('latin1'), 16);
      await this.#until(() => this.#ended || this.#size >= size + 2);
      parts.push(this.#take(size));
      this.#take(2);
      if (size === 0) return Buffer.concat(parts);
    }
  }

  async #find(text: string): Promise<number | undefined> {
    await this.#until(() => this.#ended || this.#joined().includes(text));
    const at = this.#joined().indexOf(text);
    return at === -1 ? undefined : at;
  }

  #take(count: number): Buffer {
    const all = this.#joined();
    this.#parts = [all.subarray(count)];
    this.#size = all.length - count;
    return all.subarray(0, count);
  }

  #joined(): Buffer {
    const [first = Buffer.alloc(0), ...more] = this.#parts;
    if (more.length === 0) return first;
    const all = Buffer.concat(this.#parts, this.#size);
    this.#parts = [all];
    return all;
  }

  async #until(holds: () => boolean): Promise<void> {
    const late = new AbortController();
    const hung = sleep(HANG_MS, undefined, { signal: late.signal }).then(
      () => {
        throw new Error(`hung with ${JSON.stringify(this.#joined().toString('latin1', 0, 300))}`);
      },
      () => undefined,
    );
    try {
      while (!holds()) {
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        await Promise.race([woken, hung]);
      }
    } finally {
      late.abort();
    }
  }
}

function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined) throw new Error(`no header: ${JSON.stringify(line)}`);
    if (headers[name] !== undefined) throw new Error(`two headers ${name}`);
    headers[name] = match?.[2] ?? '';
  }
  return headers;
}
