import { randomBytes } from 'node:crypto';

import { digestOf, type Digest } from '../../storage/digest.ts';

const SECRET_BYTES = 32;
const PREFIX = 'rvt_';

/** Makes a secret that can't be guessed: 256 bits, with a prefix that scanners recognise. */
export function mintSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** What of a secret is stored. A random secret of 256 bits needs neither salt nor stretching. */
export function secretDigest(secret: string): Digest {
  return digestOf(Buffer.from(secret, 'utf8'));
}

/**
 * The secret in an Authorization header: `Bearer SECRET`, or the password of `Basic`, which is what
 * `skopeo login`, `podman login` and `docker login` send. Undefined when there is
 * none, or an empty one: containers/image answers a challenge with that when it has no credentials.
 */
export function secretOf(header: string | undefined): string | undefined {
  const [, scheme, value] = /^(bearer|basic) +(\S+)$/i.exec(header ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const [, password = ''] = /^[^:]*:([^]*)$/.exec(Buffer.from(value, 'base64').toString()) ?? [];
  return password === '' ? undefined : password;
}
