import type { IncomingMessage } from 'node:http';

import { readBody } from '../http/body.ts';
import { HttpError } from '../http/errors.ts';
import { readCredentials, type Credentials } from './credentials.ts';

/** What a client asks `/v1/token` for. */
export interface TokenForm {
  readonly credentials: Credentials;
  /** Each may hold several scopes with spaces between. */
  readonly scopes: readonly string[];
}

/** A refusal of OAuth2 (RFC 6749, 5.2), as it is sent. */
export interface OAuthError {
  readonly error: 'invalid_request' | 'unsupported_grant_type';
  readonly error_description: string;
}

const MAX_FORM_BYTES = 64 * 1024;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/**
 * Reads the form of an OAuth2 password grant, as containerd sends it. Throws `unsupported_media_type`
 * and `too_large`.
 */
export async function readTokenForm(req: IncomingMessage): Promise<TokenForm | OAuthError> {
  if (!FORM_TYPE.test(req.headers['content-type'] ?? '')) {
    throw new HttpError('unsupported_media_type', 'send application/x-www-form-urlencoded');
  }
  const form = new URLSearchParams(await readText(req));
  const [grantType, ...others] = form.getAll('grant_type');
  if (grantType === undefined || others.length > 0) {
    return invalid('the parameter grant_type is needed, once');
  }
  if (grantType !== 'password') {
    return {
      error: 'unsupported_grant_type',
      error_description: 'only grant_type=password is known: send a token as the password',
    };
  }
  const password = form.get('password');
  const name = form.get('username');
  const authorization = readCredentials(req.headers.authorization);
  if (authorization.kind !== 'none' && password !== null) {
    return invalid('credentials are in the form and in the Authorization header: send one of them');
  }
  const isNone = (password ?? '') === '' && (name ?? '') === '';
  return {
    credentials: isNone ? authorization : { kind: 'secret', secret: password ?? '' },
    scopes: form.getAll('scope'),
  };
}

function invalid(description: string): OAuthError {
  return { error: 'invalid_request', error_description: description };
}

async function readText(req: IncomingMessage): Promise<string> {
  const bytes = await readBody(
    req,
    MAX_FORM_BYTES,
    () => new HttpError('too_large', `a form has at most ${MAX_FORM_BYTES} bytes`),
  );
  return bytes.toString('utf8');
}
