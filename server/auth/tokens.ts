import { randomBytes } from 'node:crypto';

import { digestOf, type Digest } from '../../storage/digest.ts';

const SECRET_BYTES = 32;
const PREFIX = 'rvt_';

/** What a token may be called: it stands in paths, rules and logs. */
export const TOKEN_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$';

const TOKEN_NAME = new RegExp(TOKEN_NAME_PATTERN);

/** True if a token may be called so. */
export function isTokenName(text: string): boolean {
  return TOKEN_NAME.test(text);
}

/** Makes a secret that can't be guessed: 256 bits, with a prefix that scanners recognise. */
export function mintSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** True for what may be a secret, false for a signed token. */
export function isSecret(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** What of a secret is stored. A random secret of 256 bits needs neither salt nor stretching. */
export function secretDigest(secret: string): Digest {
  return digestOf(Buffer.from(secret, 'utf8'));
}
