import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';

import type { Clock } from '../../storage/clock.ts';
import { isDigest, type Digest } from '../../storage/digest.ts';
import { formatScopes, parseScopes, type RegistryScope } from './registry-scope.ts';
import type { SigningKeys } from './signing-keys.ts';

/** How long a signed token is good for. */
export const TOKEN_LIFE_SECONDS = 300;
/** Clients that share no clock with this server hold on to a token for a little longer. */
const TOLERANCE_SECONDS = 60;

const ALGORITHM = 'HS256';
/** Issuer and audience: who else would find a token of ours among its own must not take it. */
const NAME = 'rivulet-registry';

/** What a signed token says (RFC 7519). It grants nothing by itself: see `callers.ts`. */
export interface SignedClaims {
  /** A principal's name. */
  readonly subject: string;
  /** Digest of the secret that it was issued for; undefined for certificates and for nobody. */
  readonly secret?: Digest | undefined;
  readonly scopes: readonly RegistryScope[];
}

/** Short-lived tokens of the registry token flow. */
export class SignedTokens {
  readonly #keys: SigningKeys;
  readonly #clock: Clock;

  constructor(keys: SigningKeys, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
  }

  async sign(claims: SignedClaims): Promise<{ readonly token: string; readonly issuedMs: number }> {
    const { id, secret } = await this.#keys.current();
    const issued = Math.floor(this.#clock() / 1000);
    const token = await new SignJWT({ scope: formatScopes(claims.scopes), secret: claims.secret })
      .setProtectedHeader({ alg: ALGORITHM, kid: id, typ: 'JWT' })
      .setIssuer(NAME)
      .setAudience(NAME)
      .setSubject(claims.subject)
      .setIssuedAt(issued)
      .setExpirationTime(issued + TOKEN_LIFE_SECONDS)
      .sign(Buffer.from(secret, 'base64url'));
    return { token, issuedMs: issued * 1000 };
  }

  /** Undefined for anything but a token of ours that has not run out. */
  async verify(token: string): Promise<SignedClaims | undefined> {
    try {
      const { payload } = await jwtVerify(token, async ({ kid = '' }) => this.#secretOf(kid), {
        algorithms: [ALGORITHM],
        issuer: NAME,
        audience: NAME,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: new Date(this.#clock()),
      });
      return readClaims(payload);
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  async #secretOf(kid: string): Promise<Uint8Array> {
    const key = await this.#keys.find(kid);
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return Buffer.from(key.secret, 'base64url');
  }
}

function readClaims({ sub, secret, scope }: JWTPayload): SignedClaims | undefined {
  if (sub === undefined || typeof scope !== 'string') return undefined;
  const scopes = parseScopes([scope]);
  if (secret === undefined) return { subject: sub, scopes };
  return typeof secret === 'string' && isDigest(secret)
    ? { subject: sub, secret, scopes }
    : undefined;
}
