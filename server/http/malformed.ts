import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { ProblemCode } from './errors.ts';

/** How much is read away after a refusal, and for how long, so that a client that still writes reads it. */
const DISCARD_BYTES = 16 * 1024 * 1024;
const DISCARD_MS = 5000;

/** A refusal of what never became a request. */
export interface Refusal {
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
}

/** Refuses sockets, each once: a broken parser goes on to complain with every packet. */
export class SocketRefuser {
  readonly #refused = new WeakSet<Duplex>();

  /** Sends the answer and closes; undefined: only closes. Nothing happens the second time. */
  refuse(socket: Duplex, refusal: Refusal | undefined): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(refusal === undefined ? undefined : answerOf(refusal));
    discard(socket);
  }
}

/** What an error of the parser means to its client. */
export function refusalOf(error: Error): Refusal {
  switch ('code' in error ? error.code : undefined) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        code: 'headers_too_large',
        detail: 'the head of the request is longer than 64 KiB',
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        code: 'request_timeout',
        detail: 'the head of the request came too slowly',
      };
    default:
      return {
        status: 400,
        code: 'bad_request',
        detail: 'the request is not well-formed HTTP/1.1',
      };
  }
}

function answerOf({ status, code, detail }: Refusal): string {
  const requestId = randomUUID();
  const title = STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ type: 'about:blank', title, status, code, detail, requestId });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** Closing over bytes that were not read would reset the connection, and the answer with it. */
function discard(socket: Duplex): void {
  let left = DISCARD_BYTES;
  const late = setTimeout(() => socket.destroy(), DISCARD_MS);
  socket.once('close', () => {
    clearTimeout(late);
  });
  socket.removeAllListeners('data');
  socket.on('data', (bytes: Buffer) => {
    left -= bytes.length;
    if (left < 0) socket.destroy();
  });
  socket.resume();
}
