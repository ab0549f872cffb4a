import type { OutgoingHttpHeaders } from 'node:http';

import type { ByteRange } from '../../../storage/object-store.ts';
import type { PlainRange } from './plain-request.ts';

/** What is the same in every answer about an object. */
export interface ObjectFacts {
  /** The label of metrics. */
  readonly route: string;
  /** Besides those of the body, the date, the request's id and the connection. */
  readonly headers: OutgoingHttpHeaders;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** A head in the two pieces between which the request's id and then the date stand. */
export interface AnswerHead {
  readonly beforeId: string;
  readonly beforeDate: string;
  readonly end: string;
}

/** The head of a 200, or of a 206 for a range, with its fields in the order of `send-blob.ts`. */
export function answerHead(
  { headers, mediaType, size }: ObjectFacts,
  range: ByteRange | undefined,
  keepAliveMs: number,
): AnswerHead {
  const status = range === undefined ? '200 OK' : '206 Partial Content';
  const { start, endExclusive } = range ?? { start: 0, endExclusive: size };
  const fields = {
    ...headers,
    'Content-Type': mediaType,
    'Content-Length': endExclusive - start,
    ...(range && { 'Content-Range': `bytes ${start}-${endExclusive - 1}/${size}` }),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return {
    beforeId: `HTTP/1.1 ${status}\r\nX-Request-Id: `,
    beforeDate: `\r\n${lines.join('')}Date: `,
    end: `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`,
  };
}

/** The bytes that a range means in an object of that size; undefined when there are none. */
export function resolveRange({ first, last }: PlainRange, size: number): ByteRange | undefined {
  if (first === undefined) {
    const length = Math.min(last ?? 0, size);
    return length === 0 ? undefined : { start: size - length, endExclusive: size };
  }
  const endExclusive = Math.min((last ?? Infinity) + 1, size);
  return first < endExclusive ? { start: first, endExclusive } : undefined;
}
