import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { OciError, sendOciError } from '../oci/errors.ts';
import { sendJson } from '../oci/respond.ts';
import { BASIC_CHALLENGE } from './challenge.ts';
import { readCredentials, type Credentials } from './credentials.ts';
import type { Identities, Identity, Refused } from './identities.ts';
import { formatScopes, grantedScopes, parseScopes } from './registry-scope.ts';
import { TOKEN_LIFE_SECONDS, type SignedTokens } from './signed-tokens.ts';
import { readTokenForm, type TokenForm } from './token-form.ts';
import { secretDigest } from './tokens.ts';

export interface TokenRouteOptions {
  readonly identities: Identities;
  readonly signed: SignedTokens;
}

/**
 * `GET` and `POST /v1/token`: short-lived tokens for registry clients (distribution's "Token
 * Authentication Specification" and its OAuth2 form). Grants what of the asked scopes the caller may
 * do; the caller may be nobody.
 */
export function createTokenRoute(options: TokenRouteOptions): RawRoute {
  return async (x) => {
    if (x.path !== '/v1/token') return false;
    x.route = '/v1/token';
    x.res.setHeader('Cache-Control', 'no-store');
    const form = await readAsk(x);
    if (form === undefined) return true;
    const identity = await identify(options.identities, x, form.credentials);
    if ('refused' in identity) {
      const headers = { 'WWW-Authenticate': BASIC_CHALLENGE };
      sendOciError(x.res, new OciError('UNAUTHORIZED', identity.refused, { headers }));
      return true;
    }
    x.principal = { name: identity.name, grants: identity.grants };
    sendJson(x.res, 200, await issue(options.signed, identity, form.scopes));
    return true;
  };
}

/** Undefined when a refusal has been sent. */
async function readAsk(x: Exchange): Promise<TokenForm | undefined> {
  switch (x.req.method) {
    case 'GET':
    case 'HEAD':
      return {
        credentials: readCredentials(x.req.headers.authorization),
        scopes: x.query.getAll('scope'),
      };
    case 'POST': {
      const form = await readTokenForm(x.req);
      if (!('error' in form)) return form;
      // RFC 6749, 5.2.
      sendJson(x.res, 400, form);
      return undefined;
    }
    default:
      throw new HttpError('method_not_allowed', '/v1/token is asked with GET or POST', {
        headers: { Allow: 'GET, HEAD, POST' },
      });
  }
}

async function identify(
  identities: Identities,
  x: Exchange,
  credentials: Credentials,
): Promise<Identity | Refused> {
  switch (credentials.kind) {
    case 'none':
      return identities.byCertificate(x);
    case 'secret':
      return identities.bySecret(secretDigest(credentials.secret));
    case 'signed':
      return { refused: 'a signed token is not issued for another: send the secret' };
    case 'unreadable':
      return { refused: 'the Authorization header is neither Basic nor Bearer' };
  }
}

/** The names of both forms of the answer: older clients read `token`, OAuth2's `access_token`. */
async function issue(signed: SignedTokens, identity: Identity, asked: readonly string[]) {
  const scopes = grantedScopes(parseScopes(asked), identity.grants);
  const { name: subject, secret } = identity;
  const { token, issuedMs } = await signed.sign({ subject, secret, scopes });
  return {
    token,
    access_token: token,
    token_type: 'Bearer',
    expires_in: TOKEN_LIFE_SECONDS,
    issued_at: new Date(issuedMs).toISOString(),
    scope: formatScopes(scopes),
  };
}
