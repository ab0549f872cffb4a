import { isHost } from '../check-request.ts';

/** Longer heads are left to `node:http`. */
export const MAX_PLAIN_BYTES = 4096;

/** A GET that asks for an object, or for one range of it, and for nothing else. */
export interface PlainRequest {
  readonly target: string;
  /** Of what answers it: the object whole, or any range of it. */
  readonly key: string;
  /** As in the header; undefined: the whole object. */
  readonly range: PlainRange | undefined;
}

/** Of `bytes=first-last`; without `first`, `last` is the length of a suffix (RFC 9110, 14.1.2). */
export interface PlainRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/** A whole GET (RFC 9112, 3 to 5): origin-form target without query or escapes, no obsolete folding. */
const HEAD =
  /^GET (\/v[12]\/[A-Za-z0-9._:/-]{1,512}) HTTP\/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+)\r\n$/;

const RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/;

/** Fields that may change the answer, the connection, or where the request ends. */
const NOT_PLAIN = new Set([
  'authorization',
  'expect',
  'http2-settings',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);
const NOT_PLAIN_PREFIXES = ['if-', 'content-', 'proxy-'];

/**
 * The request in the bytes of one HTTP/1.1 GET, from the first to the last. Undefined for anything
 * that asks for more, right or wrong: `node:http` is then to judge it.
 */
export function plainRequest(head: string): PlainRequest | undefined {
  const match = HEAD.exec(head);
  const target = match?.[1];
  if (target === undefined) return undefined;
  let hosts = 0;
  let range: PlainRange | undefined;
  for (const line of (match?.[2] ?? '').split('\r\n')) {
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'host') {
      if (!isHost(value)) return undefined;
      hosts += 1;
    } else if (name === 'range') {
      if (range !== undefined) return undefined;
      range = readRange(value);
      if (range === undefined) return undefined;
    } else if (name === 'connection') {
      if (value.toLowerCase() !== 'keep-alive') return undefined;
    } else if (NOT_PLAIN.has(name) || NOT_PLAIN_PREFIXES.some((start) => name.startsWith(start))) {
      return undefined;
    }
  }
  if (hosts !== 1) return undefined;
  return { target, key: range === undefined ? target : `range ${target}`, range };
}

function readRange(value: string): PlainRange | undefined {
  const match = RANGE.exec(value);
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  if (first === undefined) return { first: undefined, last: Number(suffix) };
  return { first: Number(first), last: last === '' ? undefined : Number(last) };
}

/** Heads that are remembered. */
const MAX_HEADS = 1000;

/** {@link plainRequest}, remembered for heads seen lately: many clients send the same one again and again. */
export class PlainRequests {
  #requests = new Map<string, PlainRequest>();

  read(head: string): PlainRequest | undefined {
    const known = this.#requests.get(head);
    if (known !== undefined) return known;
    const request = plainRequest(head);
    if (request === undefined) return undefined;
    if (this.#requests.size >= MAX_HEADS) this.#requests = new Map();
    this.#requests.set(head, request);
    return request;
  }
}
