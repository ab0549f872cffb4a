import { isStorageError } from '../../../storage/errors.ts';
import { parseRepoName, type RepoName } from '../../../storage/names.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange, RawRoute } from '../../http/exchange.ts';
import { isOstreePath, splitOstreePath } from '../../ostree/path.ts';
import { answerV1 } from '../failure.ts';
import type { CachedOstreeHandler, OstreeHandlers } from './handlers.ts';

interface CachedOstreeRoute {
  /** Of the path inside the repository. */
  readonly pattern: RegExp;
  readonly get: CachedOstreeHandler;
}

/** `/ostree/` of a cache: the origin's repositories, to be pulled from by stock clients. */
export function createCachedOstreeRoute(handlers: OstreeHandlers, originUrl: string): RawRoute {
  const routes = createRoutes(handlers);
  return async (x) => {
    if (!isOstreePath(x.path)) return false;
    x.route = '/ostree/{repo}/{path}';
    checkMethod(x, originUrl);
    const split = splitOstreePath(x.path);
    if (split === undefined) {
      const path = x.path.slice(0, 200);
      throw new HttpError('not_found', `nothing of an OSTree repository is at ${path}`);
    }
    const repo = parseRepoName(split.repo);
    await answerV1(x, () => answer(x, routes, repo, split.inside));
    return true;
  };
}

function createRoutes(handlers: OstreeHandlers): readonly CachedOstreeRoute[] {
  return [
    { pattern: /^config$/, get: handlers.config },
    { pattern: /^summary$/, get: handlers.summary },
    { pattern: /^summary\.sig$/, get: handlers.signatures },
    { pattern: /^refs\/heads\/(.+)$/s, get: handlers.ref },
    { pattern: /^objects\/(..\/.{62})\.commitmeta$/s, get: handlers.commitmeta },
    { pattern: /^(objects\/.*)$/s, get: handlers.object },
    { pattern: /^(deltas\/.*)$/s, get: handlers.delta },
    { pattern: /^(delta-indexes\/.*)$/s, get: handlers.deltaIndex },
    { pattern: /^(.*)$/s, get: handlers.nothing },
  ];
}

async function answer(
  x: Exchange,
  routes: readonly CachedOstreeRoute[],
  repo: RepoName,
  inside: string,
): Promise<void> {
  for (const { pattern, get } of routes) {
    const match = pattern.exec(inside);
    if (match === null) continue;
    try {
      await get(x, repo, match[1] ?? '');
    } catch (cause) {
      if (!isStorageError(cause, 'missing') || x.res.headersSent) throw cause;
      throw new HttpError('not_found', `${repo} has no ${inside.slice(0, 200)}`, { cause });
    }
    return;
  }
}

function checkMethod({ req }: Exchange, originUrl: string): void {
  if (req.method === 'GET' || req.method === 'HEAD') return;
  throw new HttpError('method_not_allowed', `this is a read-only mirror: push to ${originUrl}`, {
    headers: { Allow: 'GET, HEAD' },
    detail: { origin: originUrl },
  });
}
