import type { Clock } from '../../../storage/clock.ts';
import type { UpstreamAuth } from '../upstream-auth.ts';
import { UpstreamError } from '../upstream-error.ts';
import type { UpstreamTls } from '../upstream-agents.ts';
import { Upstream } from '../upstream.ts';
import { parseChallenges } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import { askToken, type GrantedToken } from './token-service.ts';

const MAX_TOKENS = 10_000;
const IN_REPOSITORY = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//;

export interface RegistryAuthOptions {
  /** Of the registry. */
  readonly base: string;
  readonly credentials: () => Promise<Credentials>;
  readonly tls?: UpstreamTls | undefined;
  readonly clock: Clock;
}

/** A registry's token service, once it has named it. */
interface TokenService {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly client: Upstream;
}

/**
 * How a registry lets the cache in, as its first 401 says: tokens of a token service, one for each
 * repository, kept until they end; or Basic. Anonymous where the configuration has no credentials.
 */
export class RegistryAuth implements UpstreamAuth {
  readonly #options: RegistryAuthOptions;
  #mode: 'unknown' | 'basic' | TokenService = 'unknown';
  readonly #tokens = new Map<string, GrantedToken>();
  readonly #asked = new Map<string, Promise<GrantedToken>>();

  constructor(options: RegistryAuthOptions) {
    this.#options = options;
  }

  async header(path: string): Promise<string | undefined> {
    if (this.#mode === 'unknown') {
      const credentials = await this.#options.credentials();
      return credentials.kind === 'token' ? credentials.header : undefined;
    }
    if (this.#mode === 'basic') {
      const credentials = await this.#options.credentials();
      return credentials.kind === 'basic' ? credentials.header : undefined;
    }
    return (await this.#token(this.#mode, scopeOf(path))).header;
  }

  async refused(path: string, challenge: string, shown: string | undefined): Promise<boolean> {
    const credentials = await this.#options.credentials();
    // A token that is taken as it is has nothing behind it.
    if (credentials.kind === 'token') return credentials.header !== shown;
    const ways = parseChallenges(challenge);
    const bearer = ways.find(({ scheme }) => scheme === 'bearer')?.parameters;
    const realm = bearer?.get('realm');
    if (realm !== undefined) {
      const scope = scopeOf(path);
      if (this.#tokens.get(scope)?.header === shown) this.#tokens.delete(scope);
      this.#mode = this.#serviceAt(realm, bearer?.get('service'));
      return true;
    }
    if (credentials.kind === 'anonymous' || !ways.some(({ scheme }) => scheme === 'basic')) {
      return false;
    }
    this.#mode = 'basic';
    return credentials.header !== shown;
  }

  close(): void {
    if (typeof this.#mode === 'object') this.#mode.client.close();
  }

  #serviceAt(text: string, service: string | undefined): TokenService {
    const { base, credentials, tls, clock } = this.#options;
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    const plainAllowed = new URL(base).protocol === 'http:';
    if (realm?.protocol !== 'https:' && !(plainAllowed && realm?.protocol === 'http:')) {
      throw new UpstreamError(
        'refused',
        `the registry ${new URL(base).host} names a token service that would read the credentials without TLS`,
        { status: 401 },
      );
    }
    const known = this.#mode;
    if (typeof known === 'object') {
      if (known.realm.href === realm.href && known.service === service) return known;
      this.#tokens.clear();
      known.client.close();
    }
    const auth: UpstreamAuth = {
      header: async () => {
        const own = await credentials();
        return own.kind === 'basic' ? own.header : undefined;
      },
    };
    const role = 'the token service';
    const onBytes = (): void => undefined;
    const client = new Upstream({ base: realm.origin, role, auth, tls, clock, onBytes });
    return { realm, service, client };
  }

  /** Asked once for all who need it meanwhile. */
  #token(service: TokenService, scope: string): Promise<GrantedToken> {
    const { clock } = this.#options;
    const kept = this.#tokens.get(scope);
    if (kept !== undefined && clock() < kept.endsMs) return Promise.resolve(kept);
    const running = this.#asked.get(scope);
    if (running !== undefined) return running;
    const asked = askToken(service.client, service.realm, { ...service, scope }, clock)
      .then((token) => {
        if (this.#tokens.size >= MAX_TOKENS) this.#tokens.clear();
        if (this.#mode === service) this.#tokens.set(scope, token);
        return token;
      })
      .finally(() => this.#asked.delete(scope));
    this.#asked.set(scope, asked);
    return asked;
  }
}

function scopeOf(path: string): string {
  const repo = IN_REPOSITORY.exec(path)?.[1];
  return repo === undefined ? 'registry:catalog:*' : `repository:${repo}:pull`;
}
