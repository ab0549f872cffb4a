import type { IncomingMessage } from 'node:http';

import { HttpError } from './errors.ts';

/** `uri-host [ ":" port ]` (RFC 9112, 3.2); it may be empty. */
const HOST =
  /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\.[A-Za-z0-9._~:-]+)\])(?::\d{0,5})?$/;

/** True for what a Host field may say. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

/**
 * Refuses what `node:http` lets pass: another version than HTTP/1.0 and 1.1, no Host or several, a
 * Host that is no authority. Links are made from it. Throws `bad_request`.
 */
export function checkRequest(req: IncomingMessage): void {
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') {
    throw new HttpError('bad_request', `HTTP/${req.httpVersion} is not spoken here: use HTTP/1.1`);
  }
  const { host } = req.headers;
  if (host === undefined) {
    if (req.httpVersion === '1.0') return;
    throw new HttpError('bad_request', 'an HTTP/1.1 request needs a Host header');
  }
  if (!isHost(host)) {
    throw new HttpError('bad_request', 'the Host header is no host with an optional port');
  }
  if (countHosts(req.rawHeaders) > 1) {
    throw new HttpError('bad_request', 'the request has more than one Host header');
  }
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}
