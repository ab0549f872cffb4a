import { readFile } from 'node:fs/promises';

import type { RegistryConfig } from '../../config.ts';
import { ServerError } from '../../errors.ts';

/** What the cache shows to a registry, or to the token service that this names. */
export type Credentials =
  | { readonly kind: 'anonymous' }
  /** A user's name and password, or a robot's and its access token. */
  | { readonly kind: 'basic'; readonly header: string }
  /** A token that the registry takes as it is. */
  | { readonly kind: 'token'; readonly header: string };

/** Secrets in files are read each time, so that they can be changed. Throws `config`. */
export async function readCredentials(
  name: string,
  { username, password, passwordFile, token, tokenFile }: RegistryConfig,
): Promise<Credentials> {
  const bearer = token ?? (tokenFile === undefined ? undefined : await readSecret(name, tokenFile));
  if (bearer !== undefined) return { kind: 'token', header: `Bearer ${bearer}` };
  if (username === undefined) return { kind: 'anonymous' };
  const secret = password ?? (await readSecret(name, passwordFile ?? ''));
  const pair = Buffer.from(`${username}:${secret}`).toString('base64');
  return { kind: 'basic', header: `Basic ${pair}` };
}

async function readSecret(name: string, path: string): Promise<string> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret !== '') return secret;
  } catch (cause) {
    throw new ServerError('config', `cannot read the secret of the registry ${name}: ${path}`, {
      cause,
    });
  }
  throw new ServerError('config', `the secret of the registry ${name} is empty: ${path}`);
}
