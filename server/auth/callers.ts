import type { Exchange } from '../http/exchange.ts';
import { readCredentials } from './credentials.ts';
import type { Identities, Identity, Refused } from './identities.ts';
import type { Principal } from './principal.ts';
import { grantedScopes, grantsOfScopes, type RegistryScope } from './registry-scope.ts';
import type { SignedClaims, SignedTokens } from './signed-tokens.ts';
import { secretDigest } from './tokens.ts';

/** Who makes a request, with what it showed. */
export interface Caller {
  readonly principal: Principal;
  /** Who is behind it, and all that it could do. */
  readonly identity: Identity;
  /** What a signed token narrows that to; undefined when none was shown. */
  readonly scopes?: readonly RegistryScope[] | undefined;
}

const NOT_SIGNED: Refused = {
  refused:
    'the token is none that this server issued, or it has run out: ask /v1/token for another',
};

/** Finds out who makes a request: by its Authorization header, else by its certificate. */
export class Callers {
  readonly #identities: Identities;
  readonly #signed: SignedTokens;

  constructor(identities: Identities, signed: SignedTokens) {
    this.#identities = identities;
    this.#signed = signed;
  }

  async find(x: Exchange): Promise<Caller | Refused> {
    const credentials = readCredentials(x.req.headers.authorization);
    switch (credentials.kind) {
      case 'none':
        return asCaller(this.#identities.byCertificate(x));
      case 'secret':
        return asCaller(await this.#identities.bySecret(secretDigest(credentials.secret)));
      case 'signed':
        return this.#findSigned(x, credentials.token);
      case 'unreadable':
        return { refused: 'the Authorization header is neither Basic nor Bearer' };
    }
  }

  /** A signed token stands for who it was issued to, as long as that one still counts. */
  async #findSigned(x: Exchange, token: string): Promise<Caller | Refused> {
    const claims = await this.#signed.verify(token);
    if (claims === undefined) return NOT_SIGNED;
    const identity = await this.#identityOf(x, claims);
    if ('refused' in identity) return identity;
    if (identity.name !== claims.subject) return NOT_SIGNED;
    const scopes = grantedScopes(claims.scopes, identity.grants);
    const grants = [...grantsOfScopes(scopes), ...this.#identities.anonymous.grants];
    return { principal: { name: identity.name, grants }, identity, scopes };
  }

  async #identityOf(x: Exchange, { subject, secret }: SignedClaims): Promise<Identity | Refused> {
    if (secret !== undefined) return this.#identities.bySecret(secret);
    const { anonymous } = this.#identities;
    return subject === anonymous.name ? anonymous : this.#identities.byCertificate(x);
  }
}

function asCaller(identity: Identity | Refused): Caller | Refused {
  if ('refused' in identity) return identity;
  return { principal: { name: identity.name, grants: identity.grants }, identity };
}
