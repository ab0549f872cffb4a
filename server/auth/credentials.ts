import { isSecret } from './tokens.ts';

/** What an Authorization header says. */
export type Credentials =
  | { readonly kind: 'none' }
  /** A token's secret, right or wrong. */
  | { readonly kind: 'secret'; readonly secret: string }
  /** What `/v1/token` issued, or pretends to be that. */
  | { readonly kind: 'signed'; readonly token: string }
  | { readonly kind: 'unreadable' };

const NONE: Credentials = { kind: 'none' };
const UNREADABLE: Credentials = { kind: 'unreadable' };

/**
 * Reads `Bearer SECRET`, `Bearer SIGNED-TOKEN`, and `Basic`, whose password is the secret under any
 * user name: what `docker login` and its like send. Basic without name and password is none:
 * containers/image answers a challenge with that when it has no credentials.
 */
export function readCredentials(header: string | undefined): Credentials {
  if (header === undefined || header.trim() === '') return NONE;
  const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return isSecret(value) ? { kind: 'secret', secret: value } : { kind: 'signed', token: value };
    case 'basic':
      return readBasic(value);
    default:
      return UNREADABLE;
  }
}

function readBasic(value: string): Credentials {
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return UNREADABLE;
  return text === ':' ? NONE : { kind: 'secret', secret: text.slice(colon + 1) };
}
