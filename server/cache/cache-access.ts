import type { CertificateNames } from '../auth/certificates.ts';
import { allows, allowsAll } from '../auth/grants.ts';
import { grantsByRule, type AccessRules, type Principal } from '../auth/principal.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { readDigest, readRepo } from '../oci/names.ts';
import type { Logger } from '../observe/logger.ts';
import { isOstreePath, splitOstreePath } from '../ostree/path.ts';
import { answerV2 } from './failure.ts';
import { grantedName, nameRequest, type RegistryNames } from './registries/names.ts';
import type { RepoMembers } from './repo-members.ts';

export interface CacheAccessOptions {
  readonly access: AccessRules;
  readonly names: RegistryNames;
  /** Without it, certificates tell nobody apart. */
  readonly certificateNames?: CertificateNames | undefined;
  readonly members: Pick<RepoMembers, 'check'>;
  /** Named to those whose credentials only the origin knows. */
  readonly originUrl: string;
  readonly logger: Logger;
}

/** Decides who may read what of a cache. Nobody can change anything there. */
export interface CacheAccess {
  /** Stands before every other route: sets `principal`, and refuses what needs no look at the body. */
  readonly route: RawRoute;
  /** Asked by the check with the product; throws `unauthorized` or `denied`. */
  readonly product: (x: Exchange, product: string) => void;
}

const OPEN: ReadonlySet<string> = new Set(['/livez', '/readyz', '/openapi.yaml']);
const IN_REPOSITORY = /^\/v2\/(.+)\/(blobs|manifests|tags|referrers)\/([^/]+)$/;
const READ_ALL = 'read everything (pull:**)';
const EVENTS = /^\/v1\/decisions\/[^/]+\/events$/;

/** A browser or a tool that knows how may try again; there is no password that a cache would know. */
const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="rivulet cache", charset="UTF-8"' } as const;

/**
 * Access to a cache, by client certificates: it has no catalog of tokens, and says so to those who
 * show one. Where anonymous callers may read something, `/v2/` is open: nobody can log in here.
 */
export function createCacheAccess(options: CacheAccessOptions): CacheAccess {
  return {
    async route(x) {
      if (OPEN.has(x.path)) return false;
      if (isOstreePath(x.path)) {
        admitOstree(x, identify(x, options));
        return false;
      }
      if (x.path !== '/v2' && !x.path.startsWith('/v2/')) {
        admitApi(x, identify(x, options));
        return false;
      }
      let refused = true;
      await answerV2(x, options.logger, 'NAME_UNKNOWN', async () => {
        await admitRegistry(x, identify(x, options), options);
        refused = false;
      });
      return refused;
    },
    product(x, product) {
      if (x.principal === undefined) return;
      demand(x.principal, allows(x.principal.grants, 'pull', product), `pull ${product}`);
    },
  };
}

/** Throws `unauthorized` for credentials that do not count here. */
function identify(x: Exchange, options: CacheAccessOptions): Principal {
  const { access, certificateNames, originUrl } = options;
  const shown = x.req.headers.authorization?.trim() ?? '';
  if (shown !== '' && !isEmptyBasic(shown)) {
    throw unauthorized(
      `a cache knows no tokens: ask the origin ${originUrl}, show a client certificate, or send no credentials`,
    );
  }
  const names = certificateNames?.(x) ?? [];
  if ('refused' in names) throw unauthorized(names.refused);
  const name = names[0] ?? 'anonymous';
  const grants = [...grantsByRule(access, names), ...(access['anonymous'] ?? [])];
  return (x.principal = { name, grants });
}

/** What containers/image sends when it has no credentials. */
function isEmptyBasic(header: string): boolean {
  const [, value = ''] = /^basic +(\S+)$/i.exec(header) ?? [];
  return Buffer.from(value, 'base64').toString('latin1') === ':';
}

async function admitRegistry(
  x: Exchange,
  principal: Principal,
  { members, names }: CacheAccessOptions,
): Promise<void> {
  const { grants } = principal;
  const { registry, path } = nameRequest(x.path, x.query, names);
  const [, name, kind, reference = ''] = IN_REPOSITORY.exec(path) ?? [];
  if (name === undefined) {
    demand(principal, grants.length > 0, 'read anything here');
    return;
  }
  const repo = readRepo(name);
  const granted = grantedName(registry, repo);
  demand(principal, allows(grants, 'pull', granted), `pull ${granted}`);
  // Another registry is asked in any case whether the repository has it.
  if (allowsAll(grants) || registry !== '') return;
  // What has a digest is kept by it alone, whatever the repository.
  if (kind === 'blobs' || (kind === 'manifests' && reference.includes(':'))) {
    await members.check(`/v2/${repo}/${kind}/${readDigest(reference)}`, x.signal);
  }
}

/** Whoever may pull a repository: its files are kept by its name. */
function admitOstree({ path }: Exchange, principal: Principal): void {
  const repo = splitOstreePath(path)?.repo;
  if (repo === undefined) demand(principal, allowsAll(principal.grants), READ_ALL);
  else demand(principal, allows(principal.grants, 'pull', repo), `pull ${repo}`);
}

function admitApi({ path }: Exchange, principal: Principal): void {
  const { grants } = principal;
  // The product is in the body: its route asks again.
  if (path === '/v1/check' || EVENTS.test(path)) {
    demand(principal, grants.length > 0, 'report or check here');
  } else demand(principal, allowsAll(grants), READ_ALL);
}

function demand({ name }: Principal, granted: boolean, what: string): void {
  if (granted) return;
  if (name === 'anonymous') throw unauthorized(`a client certificate is needed to ${what}`);
  throw new HttpError('denied', `${name} may not ${what}`);
}

function unauthorized(message: string): HttpError {
  return new HttpError('unauthorized', message, { headers: CHALLENGE });
}
