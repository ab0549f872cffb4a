import type { IncomingMessage } from 'node:http';

import type { SigningKeyCatalog } from '../../storage/catalog/signing-key-catalog.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import type { Logger } from '../observe/logger.ts';
import { checkApi, type ApiNeed } from './api-access.ts';
import { Callers } from './callers.ts';
import { Challenges } from './challenge.ts';
import { allows, allowsAll } from './grants.ts';
import { Identities, type IdentitiesOptions } from './identities.ts';
import { KnownCallers } from './known-callers.ts';
import { checkRegistry } from './registry-access.ts';
import { SignedTokens } from './signed-tokens.ts';
import { SigningKeys } from './signing-keys.ts';
import { createTokenRoute } from './token-route.ts';

export interface AccessOptions extends IdentitiesOptions {
  readonly signingKeys: SigningKeyCatalog;
  readonly logger: Logger;
  /** The base URL under which clients reach this server; empty derives it from each request. */
  readonly publicUrl: string;
}

/** Decides who may do what. A refusal is 401 with a challenge, or 403 when the caller is known. */
export interface Access {
  /**
   * Stands before every other route: finds out who calls and sets `principal`. Blobs by digest need
   * the right to read everything.
   */
  readonly route: RawRoute;
  /** `/v1/token`, which is open. */
  readonly token: RawRoute;
  /**
   * Called by the registry with the repository that a request names, undefined for `/v2/` and the list
   * of repositories; throws `UNAUTHORIZED`, `DENIED` or `NAME_INVALID`.
   */
  readonly registry: (x: Exchange, repo: string | undefined) => void;
  /** Called by the API with what an operation needs; throws `unauthorized` or `denied`. */
  readonly api: (req: IncomingMessage, need: ApiNeed) => void;
  /** Called with an OSTree repository and what is to be done with it; throws as `api` does. */
  readonly ostree: (x: Exchange, repo: string, verb: 'pull' | 'push') => void;
  /** True if the caller may read that repository; undefined asks for all of them. */
  readonly mayPull: (x: Exchange, repo: string | undefined) => boolean;
  /** True if a list of repositories may tell the caller of that one. */
  readonly mayList: (x: Exchange, repo: string) => boolean;
}

/** They answer even when the catalog does not, or look for credentials themselves. */
const OPEN = new Set(['/livez', '/readyz', '/openapi.yaml', '/v1/token']);

/** Access by tokens and client certificates, under the configured rules. */
export function createAccess(options: AccessOptions): Access {
  const { signingKeys, clock, logger, publicUrl } = options;
  const identities = new Identities(options);
  const signed = new SignedTokens(new SigningKeys(signingKeys, clock), clock);
  const challenges = new Challenges(publicUrl);
  const known = new KnownCallers(new Callers(identities, signed), logger);
  return {
    async route(x) {
      if (OPEN.has(x.path)) return false;
      await known.meet(x);
      if (x.path.startsWith('/v1/blobs/')) checkApi(known.get(x.req), 'everything');
      return false;
    },
    token: createTokenRoute({ identities, signed }),
    registry(x, repo) {
      checkRegistry(x, repo, known.get(x.req), challenges);
    },
    api(req, need) {
      if (need !== 'nothing') checkApi(known.get(req), need);
    },
    ostree({ req }, repo, verb) {
      checkApi(known.get(req), verb === 'push' ? { push: repo } : { pull: repo });
    },
    mayPull({ req }, repo) {
      const { grants } = known.caller(req).principal;
      return repo === undefined ? allowsAll(grants) : allows(grants, 'pull', repo);
    },
    mayList: ({ req }, repo) => allows(known.caller(req).identity.grants, 'pull', repo),
  };
}
