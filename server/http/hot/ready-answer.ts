import type { OutgoingHttpHeaders } from 'node:http';

const ID_LENGTH = 29;
const DATE_LENGTH = 29;

/** What of an answer is the same every time. */
export interface AnswerParts {
  /** The label of metrics. */
  readonly route: string;
  /** Besides X-Request-Id, Date and those of the connection. */
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/**
 * A whole answer, status 200, in one buffer that is sent again and again: only the request's id and
 * the date are written into it each time.
 */
export class ReadyAnswer {
  readonly route: string;
  readonly bodyBytes: number;
  #bytes: Buffer;
  readonly #idAt: number;
  readonly #dateAt: number;
  #date = '';

  /** `keepAliveMs`: how long an idle connection is kept. */
  constructor({ route, headers, body }: AnswerParts, keepAliveMs: number) {
    this.route = route;
    this.bodyBytes = body.length;
    const before = 'HTTP/1.1 200 OK\r\nX-Request-Id: ';
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
    const between = `\r\n${fields.join('')}Date: `;
    const after = `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`;
    this.#idAt = before.length;
    this.#dateAt = before.length + ID_LENGTH + between.length;
    const head = `${before}${' '.repeat(ID_LENGTH)}${between}${' '.repeat(DATE_LENGTH)}${after}`;
    this.#bytes = Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }

  /** Bytes of memory. */
  get size(): number {
    return this.#bytes.length;
  }

  /** The answer's bytes, good until the next call; a socket that keeps them needs {@link giveAway}. */
  stamp(id: string, date: string): Buffer {
    this.#bytes.write(id, this.#idAt, ID_LENGTH, 'latin1');
    if (date !== this.#date) {
      this.#bytes.write(date, this.#dateAt, DATE_LENGTH, 'latin1');
      this.#date = date;
    }
    return this.#bytes;
  }

  /** Leaves the bytes of the last {@link stamp} to whoever holds them, and goes on with a copy. */
  giveAway(): void {
    this.#bytes = Buffer.from(this.#bytes);
  }
}
