import { isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';

import { ServerError } from '../errors.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';

/** What a challenge says beside where to log in (RFC 6750, 3.1). */
export interface ChallengeDetail {
  /** What a token would need: `repository:NAME:pull`. */
  readonly scope?: string | undefined;
  readonly error?: 'invalid_token' | 'insufficient_scope' | undefined;
}

/** For routes that take a secret only. */
export const BASIC_CHALLENGE = 'Basic realm="rivulet", charset="UTF-8"';

const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::\d{1,5})?$/;

/** Makes challenges that lead to `/v1/token`. */
export class Challenges {
  readonly #publicUrl: URL | undefined;

  /** `publicUrl`: empty derives it from each request. Throws `config` when it is no URL. */
  constructor(publicUrl: string) {
    if (publicUrl !== '' && !URL.canParse(publicUrl)) {
      throw new ServerError('config', `publicUrl is no URL: ${JSON.stringify(publicUrl)}`);
    }
    this.#publicUrl = publicUrl === '' ? undefined : new URL(publicUrl);
  }

  /** `Bearer realm=...,service=...`. Throws `bad_request` for a Host that is none. */
  bearer(x: Exchange, { scope, error }: ChallengeDetail = {}): string {
    const base = this.#publicUrl ?? new URL(baseUrlOf(x));
    const path = base.pathname.replace(/\/+$/, '');
    const parts = [`realm="${base.origin}${path}/v1/token"`, `service="${base.host}"`];
    if (scope !== undefined) parts.push(`scope="${scope}"`);
    if (error !== undefined) parts.push(`error="${error}"`);
    return `Bearer ${parts.join(',')}`;
  }
}

/** Scheme and authority by which the client reached this server. Throws `bad_request` for a Host that is none. */
export function baseUrlOf({ req }: Exchange): string {
  const { socket } = req;
  const scheme = socket instanceof TLSSocket ? 'https' : 'http';
  const host = req.headers.host ?? authorityOf(socket.localAddress, socket.localPort);
  const match = HOST.exec(host);
  const isHost = match !== null && (match[1] === undefined || isIPv6(match[1]));
  if (isHost && URL.canParse(`${scheme}://${host}`)) return `${scheme}://${host}`;
  throw new HttpError('bad_request', 'the Host header names no host that could be called back');
}

/** HTTP/1.0 may leave Host out. */
function authorityOf(address = 'localhost', port = 80): string {
  return `${isIPv6(address) ? `[${address.replace(/%.*$/, '')}]` : address}:${port}`;
}
