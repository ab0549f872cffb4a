import type { Response } from 'express';

import type { TokenCatalog } from '../../storage/catalog/token-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { HttpError } from '../http/errors.ts';
import type { ApiRequest } from '../updates/api-request.ts';
import { mintSecret, secretDigest } from './tokens.ts';

export interface TokenHandlersOptions {
  readonly tokens: TokenCatalog;
  readonly clock: Clock;
}

/** `GET /v1/tokens`. */
export async function listTokens(
  { tokens }: TokenHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  request.query();
  res.set('Cache-Control', 'no-store').json({ tokens: await tokens.list() });
}

/** `POST /v1/tokens`: the only answer that ever holds the secret. */
export async function createToken(
  { tokens, clock }: TokenHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const { name, grants, expiresIn } = request.body('TokenRequest');
  const expiresMs = expiresIn === undefined ? undefined : clock() + expiresIn * 1000;
  const token = mintSecret();
  await tokens.create(secretDigest(token), { name, grants, expiresMs });
  res.status(201).set('Cache-Control', 'no-store').json({ name, grants, expiresMs, token });
}

/** `DELETE /v1/tokens/{name}`: holds at once, for tokens signed on its behalf as well. */
export async function revokeToken(
  { tokens }: TokenHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const name = request.param('name', 'TokenName');
  if (!(await tokens.revoke(name))) {
    throw new HttpError('not_found', `there is no token named ${JSON.stringify(name)}`);
  }
  res.status(204).end();
}
