import type { IncomingHttpHeaders } from 'node:http';

import { digestFromBytes, type Digest } from '../../storage/digest.ts';

/** The sha256 of a whole representation, as `Repr-Digest` tells it (RFC 9530, 3); undefined where it does not. */
export function readReprDigest(headers: IncomingHttpHeaders): Digest | undefined {
  const value = headers['repr-digest'];
  if (typeof value !== 'string') return undefined;
  const [, base64] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(value) ?? [];
  return base64 === undefined ? undefined : digestFromBytes(Buffer.from(base64, 'base64'));
}
