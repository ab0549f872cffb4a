import type { Exchange } from '../http/exchange.ts';
import { OciError } from '../oci/errors.ts';
import { readRepo } from '../oci/names.ts';
import type { Caller } from './callers.ts';
import type { ChallengeDetail, Challenges } from './challenge.ts';
import { allows, type Verb } from './grants.ts';
import type { Refused } from './identities.ts';
import { formatScopes, type RegistryScope } from './registry-scope.ts';

/** What a request to the registry needs. */
interface RegistryNeed {
  /** What a challenge asks for. */
  readonly scope?: RegistryScope | undefined;
  readonly isGranted: (caller: Caller) => boolean;
  /** In words. */
  readonly what: string;
}

/**
 * Lets a request to the registry through, or throws: `UNAUTHORIZED` with a challenge for who has not
 * logged in, whose credentials do not count, or whose signed token covers less than a new one could;
 * `DENIED` for who is known and is not granted this; `NAME_INVALID` for a name that is none.
 */
export function checkRegistry(
  x: Exchange,
  repo: string | undefined,
  caller: Caller | Refused,
  challenges: Challenges,
): void {
  const need = needOf(x, repo);
  const refuse = (message: string, error?: ChallengeDetail['error']): OciError => {
    const scope = need.scope && formatScopes([need.scope]);
    const headers = { 'WWW-Authenticate': challenges.bearer(x, { scope, error }) };
    return new OciError('UNAUTHORIZED', message, { headers });
  };
  if ('refused' in caller) throw refuse(caller.refused, 'invalid_token');
  if (need.isGranted(caller)) return;
  const { identity, principal, scopes } = caller;
  const isAnonymous = identity.kind === 'anonymous';
  const couldBe = need.isGranted({ principal: identity, identity });
  if (scopes !== undefined && (isAnonymous || couldBe)) {
    throw refuse(`the token's scope does not cover ${need.what}`, 'insufficient_scope');
  }
  if (isAnonymous) throw refuse(`log in to ${need.what}: a token is the password`);
  throw new OciError('DENIED', `${principal.name} may not ${need.what}`);
}

function needOf(x: Exchange, repo: string | undefined): RegistryNeed {
  if (repo !== undefined) return needOfRepository(x, readRepo(repo));
  const isPing = x.path === '/v2' || x.path === '/v2/';
  return isPing ? PING : CATALOG;
}

/** A `/v2/` that answers 200 hides the challenge: clients would never send credentials. */
const PING: RegistryNeed = {
  isGranted: ({ identity, scopes }) => identity.kind !== 'anonymous' || scopes !== undefined,
  what: 'use this registry',
};

/** The list holds only what its caller may pull; who may pull nothing has to log in. */
const CATALOG: RegistryNeed = {
  scope: { type: 'catalog' },
  isGranted: ({ identity, scopes }) =>
    identity.grants.length > 0 &&
    (scopes === undefined || scopes.some(({ type }) => type === 'catalog')),
  what: 'list repositories',
};

function needOfRepository({ req, path }: Exchange, repo: string): RegistryNeed {
  const verb = verbOf(req.method, path);
  const actions: readonly Verb[] = verb === 'push' ? ['pull', 'push'] : [verb];
  return {
    scope: { type: 'repository', name: repo, actions },
    isGranted: ({ principal }) => allows(principal.grants, verb, repo),
    what: `${verb} ${verb === 'push' ? 'to' : verb === 'pull' ? 'from' : 'in'} ${repo}`,
  };
}

/** All of an upload is part of a push: its state, and to give it up. */
function verbOf(method: string | undefined, path: string): Verb {
  if (/\/blobs\/uploads(?:\/[^/]*)?$/.test(path)) return 'push';
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}
