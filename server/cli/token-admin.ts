import type { TokenRow } from '../../storage/catalog/token-catalog.ts';
import type { TokenRequest } from '../auth/token-request.ts';
import { mintSecret, secretDigest } from '../auth/tokens.ts';
import { ask, getJson, refused, type HttpAsk } from './http-client.ts';
import { withStore, type StoreFlags } from './with-store.ts';

export interface MadeToken {
  /** Told this once. */
  readonly token: string;
  readonly expiresMs?: number | undefined;
}

/** Access tokens as their operator handles them. */
export interface TokenAdmin {
  create(token: TokenRequest): Promise<MadeToken>;
  list(): Promise<readonly TokenRow[]>;
  /** False when there is no token of that name. */
  revoke(name: string): Promise<boolean>;
}

/** In the catalog itself, beside a running origin or without one. */
export function tokensInStore(flags: StoreFlags): TokenAdmin {
  return {
    async create({ name, grants, expiresIn }) {
      const token = mintSecret();
      const expiresMs = expiresIn === undefined ? undefined : Date.now() + expiresIn * 1000;
      await withStore(flags, ({ catalog }) =>
        catalog.tokens.create(secretDigest(token), { name, grants, expiresMs }),
      );
      return { token, expiresMs };
    },
    list: () => withStore(flags, ({ catalog }) => catalog.tokens.list()),
    revoke: (name) => withStore(flags, ({ catalog }) => catalog.tokens.revoke(name)),
  };
}

/** Through `/v1/tokens`; `secret` is of a token that grants `admin:**`. */
export function tokensOnServer(server: URL, secret: string | undefined): TokenAdmin {
  const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  const send = (path: string, { headers: more, ...options }: HttpAsk) =>
    ask(new URL(path, server), { ...options, headers: { ...headers, ...more } });
  return {
    async create(token) {
      const answer = await send('/v1/tokens', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(token)),
      });
      if (answer.status !== 201) throw refused(new URL('/v1/tokens', server), 'POST', answer);
      return JSON.parse(answer.body.toString('utf8')) as MadeToken;
    },
    async list() {
      const answer = await getJson(server, '/v1/tokens', secret);
      return (answer as { readonly tokens: readonly TokenRow[] }).tokens;
    },
    async revoke(name) {
      const path = `/v1/tokens/${encodeURIComponent(name)}`;
      const answer = await send(path, { method: 'DELETE' });
      if (answer.status === 404) return false;
      if (answer.status !== 204) throw refused(new URL(path, server), 'DELETE', answer);
      return true;
    },
  };
}
