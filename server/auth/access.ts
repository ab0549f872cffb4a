import type { TokenCatalog } from '../../storage/catalog/token-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { CodedError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { OciError } from '../oci/errors.ts';
import type { Logger } from '../observe/logger.ts';
import { allows, allowsAll, type Verb } from './grants.ts';
import { secretDigest, secretOf } from './tokens.ts';

export interface AccessOptions {
  /** Grants of callers without a token. */
  readonly anonymous: readonly string[];
  readonly tokens: TokenCatalog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Decides who may do what. A refusal is 401 with a challenge, or 403 when the token does not grant it. */
export interface Access {
  /**
   * Called by the registry with the repository that a request names, undefined for `/v2/` and what
   * spans repositories; throws `UNAUTHORIZED` or `DENIED`.
   */
  readonly registry: (x: Exchange, repo: string | undefined) => Promise<void>;
  /** Stands before `/v1/`: blobs by digest and lists need the right to read everything. */
  readonly route: RawRoute;
}

const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="rivulet", charset="UTF-8"' } as const;

type Refusal = (status: 401 | 403, message: string) => CodedError<string>;

/** Access by tokens; callers without one may do what `anonymous` grants. */
export function createAccess(options: AccessOptions): Access {
  return {
    async registry(x, repo) {
      if (repo === undefined) {
        // A `/v2/` that answers 200 hides the challenge: clients would never send credentials.
        const isPing = x.path === '/v2' || x.path === '/v2/';
        const needs = isPing ? (_: readonly string[], named: boolean) => named : allowsAll;
        await check(options, x, needs, ociRefusal);
        return;
      }
      await check(options, x, (grants) => allows(grants, verbOf(x.req.method), repo), ociRefusal);
      if (!x.query.has('mount')) return;
      // A mount reads too: from the repository it names, or from whichever has the blob.
      const from = x.query.get('from');
      const mayRead = (grants: readonly string[]): boolean =>
        from === null ? allowsAll(grants) : allows(grants, 'pull', from);
      await check(options, x, mayRead, ociRefusal);
    },
    async route(x) {
      // Checks and reports are open: a device is identified by other means.
      if (x.path.startsWith('/v1/') && x.req.method !== 'POST') {
        await check(options, x, allowsAll, httpRefusal);
      }
      return false;
    },
  };
}

async function check(
  options: AccessOptions,
  x: Exchange,
  granted: (grants: readonly string[], named: boolean) => boolean,
  refusal: Refusal,
): Promise<void> {
  const { anonymous, tokens, clock, logger } = options;
  const secret = secretOf(x.req.headers.authorization);
  if (secret === undefined) {
    if (granted(anonymous, false)) return;
    throw refusal(401, 'credentials are needed: log in with a token as the password');
  }
  const token = await tokens.find(secretDigest(secret));
  if (token === undefined || (token.expiresMs ?? Infinity) <= clock()) {
    logger.warn({ requestId: x.id, path: x.path }, 'unknown or expired token');
    throw refusal(401, 'the token is unknown, revoked or expired');
  }
  if (granted([...token.grants, ...anonymous], true)) return;
  logger.warn({ requestId: x.id, path: x.path, token: token.name }, 'not granted');
  throw refusal(403, `the token ${token.name} does not grant this`);
}

function verbOf(method: string | undefined): Verb {
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}

function ociRefusal(status: 401 | 403, message: string): OciError {
  return status === 401
    ? new OciError('UNAUTHORIZED', message, { headers: CHALLENGE })
    : new OciError('DENIED', message);
}

function httpRefusal(status: 401 | 403, message: string): HttpError {
  return status === 401
    ? new HttpError('unauthorized', message, { headers: CHALLENGE })
    : new HttpError('denied', message);
}
