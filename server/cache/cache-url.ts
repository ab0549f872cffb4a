import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

import { HttpError } from '../http/errors.ts';

/**
 * The base URL, without a trailing slash, under which whoever asks reaches this cache: the
 * configured one, else the Host header's. Throws `bad_request` for a Host that is none.
 */
export function cacheUrlOf({ headers, socket }: IncomingMessage, publicUrl: string): string {
  if (publicUrl !== '') return publicUrl.replace(/\/+$/, '');
  const scheme = socket instanceof TLSSocket ? 'https' : 'http';
  const text = `${scheme}://${headers.host ?? ''}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.href !== `${url.origin}/`) {
    throw new HttpError('bad_request', 'the Host header is no host and port');
  }
  return url.origin;
}
