import type { TokenCatalog } from '../../storage/catalog/token-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Exchange } from '../http/exchange.ts';
import type { CertificateNames } from './certificates.ts';
import { grantsByRule, type AccessRules, type Principal } from './principal.ts';

/** Who somebody is, as of now. */
export interface Identity extends Principal {
  readonly kind: 'anonymous' | 'token' | 'certificate';
  /** Digest of the secret that says so. */
  readonly secret?: Digest | undefined;
}

/** Credentials that do not count, and why; the reason is for the client. */
export interface Refused {
  readonly refused: string;
}

export interface IdentitiesOptions {
  readonly access: AccessRules;
  readonly tokens: Pick<TokenCatalog, 'find'>;
  readonly clock: Clock;
  /** Without it, certificates tell nobody apart. */
  readonly certificateNames?: CertificateNames | undefined;
}

/** Finds out who somebody is; asked anew for each request, so that revocation holds at once. */
export class Identities {
  readonly anonymous: Identity;
  readonly #options: IdentitiesOptions;

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    const grants = options.access['anonymous'] ?? [];
    this.anonymous = { kind: 'anonymous', name: 'anonymous', grants };
  }

  /** By the digest of a token's secret. */
  async bySecret(secret: Digest): Promise<Identity | Refused> {
    const { tokens, clock } = this.#options;
    const token = await tokens.find(secret);
    if (token === undefined || (token.expiresMs ?? Infinity) <= clock()) {
      return { refused: 'the token is unknown, revoked or expired' };
    }
    const name = `token:${token.name}`;
    return { kind: 'token', name, secret, grants: this.#grants([name], token.grants) };
  }

  /** By the client's certificate; anonymous when it showed none. */
  byCertificate(x: Exchange): Identity | Refused {
    const names = this.#options.certificateNames?.(x) ?? [];
    if ('refused' in names) return names;
    const [name] = names;
    if (name === undefined) return this.anonymous;
    return { kind: 'certificate', name, grants: this.#grants(names, []) };
  }

  #grants(names: readonly string[], own: readonly string[]): readonly string[] {
    const { access } = this.#options;
    return [...own, ...grantsByRule(access, names), ...this.anonymous.grants];
  }
}
