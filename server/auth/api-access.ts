import { HttpError } from '../http/errors.ts';
import type { Caller } from './callers.ts';
import { BASIC_CHALLENGE } from './challenge.ts';
import { allows, allowsAll } from './grants.ts';
import type { Refused } from './identities.ts';

/** What an operation of the API needs its caller to be granted. */
export type ApiNeed =
  /** Nothing: anybody may. */
  | 'nothing'
  /** Any grant: what it may then do depends on the body. */
  | 'something'
  /** To read everything: `pull:**`. */
  | 'everything'
  /** To run the server: `admin:**`. */
  | 'admin'
  /** To read this repository. */
  | { readonly pull: string }
  /** To change this one. */
  | { readonly push: string };

/** Throws `unauthorized` or `denied` unless the caller is granted what is needed. */
export function checkApi(caller: Caller | Refused, need: ApiNeed): void {
  if ('refused' in caller) throw unauthorized(caller.refused);
  const { principal, identity } = caller;
  if (isGranted(principal.grants, need)) return;
  const what = describe(need);
  if (identity.kind === 'anonymous') {
    throw unauthorized(`${what} is needed: send a token as bearer token, or as password of Basic`);
  }
  if (isGranted(identity.grants, need)) {
    throw new HttpError('denied', `${what} is not in this token's scope: send the secret itself`);
  }
  throw new HttpError('denied', `${principal.name} does not have ${what}`);
}

function isGranted(grants: readonly string[], need: ApiNeed): boolean {
  switch (need) {
    case 'nothing':
      return true;
    case 'something':
      return grants.length > 0;
    case 'everything':
      return allowsAll(grants, 'pull');
    case 'admin':
      return allowsAll(grants, 'admin');
    default:
      return 'pull' in need ? allows(grants, 'pull', need.pull) : allows(grants, 'push', need.push);
  }
}

function describe(need: ApiNeed): string {
  switch (need) {
    case 'nothing':
      return 'nothing';
    case 'something':
      return 'a grant';
    case 'everything':
      return 'the grant pull:**';
    case 'admin':
      return 'the grant admin:**';
    default:
      return 'pull' in need ? `a grant to pull ${need.pull}` : `a grant to push to ${need.push}`;
  }
}

function unauthorized(message: string): HttpError {
  return new HttpError('unauthorized', message, {
    headers: { 'WWW-Authenticate': BASIC_CHALLENGE },
  });
}
