import { parseRepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange, RawRoute } from '../../http/exchange.ts';
import { sendJson } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { missingOf } from '../push/missing.ts';
import { moveRef } from '../push/move-ref.ts';
import { takeObjects } from '../push/objects.ts';
import { sendBuild, sendJob } from './answers.ts';
import type { Build, Builds } from './builds.ts';
import { readRequest } from './requests.ts';

export interface FlatManagerOptions extends OstreeOptions {
  readonly builds: Builds;
  /** Scheme and authority by which the client reached this server. */
  readonly baseUrl: (x: Exchange) => string;
}

interface BuildRoute {
  readonly label: string;
  /** Of what follows the build's id. */
  readonly pattern: RegExp;
  readonly method: 'GET' | 'POST';
  readonly handle: (x: Exchange, build: Build, caught: string) => Promise<void>;
}

const ROOT = '/api/v1/build';

/**
 * What flat-manager's client asks for to push and publish (flatpak/flat-manager, `flat-manager-client`):
 * a build gathers refs, `publish` moves them. Its token is one of this server's that may push.
 */
export function createFlatManagerRoute(options: FlatManagerOptions): RawRoute {
  const routes = buildRoutes(options);
  return async (x) => {
    if (x.path === ROOT) {
      x.route = '/api/v1/build';
      expectMethod(x, 'POST');
      await createBuild(x, options);
      return true;
    }
    const [, id = '', rest] = /^\/api\/v1\/build\/([^/]+)(|\/.*)$/s.exec(x.path) ?? [];
    const route = routes.find(({ pattern }) => rest !== undefined && pattern.test(rest));
    if (rest === undefined || route === undefined) return false;
    x.route = route.label;
    expectMethod(x, route.method);
    const build = await options.builds.get(id);
    if (build === undefined)
      throw new HttpError('not_found', `there is no build ${id.slice(0, 64)}`);
    options.authorize?.(x, build.repo, 'push');
    await route.handle(x, build, route.pattern.exec(rest)?.[1] ?? '');
    return true;
  };
}

function buildRoutes(options: FlatManagerOptions): readonly BuildRoute[] {
  const { builds, contract, baseUrl } = options;
  return [
    {
      label: '/api/v1/build/{id}',
      pattern: /^$/,
      method: 'GET',
      handle: async (x, build) => {
        sendBuild(x, build, await builds.isPublished(build), baseUrl(x));
      },
    },
    {
      label: '/api/v1/build/{id}/missing_objects',
      pattern: /^\/missing_objects$/,
      method: 'GET',
      handle: async (x, { repo }) => {
        const { wanted } = contract.check('FlatManagerWanted', await readRequest(x));
        sendJson(x.res, 200, { missing: await missingOf(options, repo, wanted, x.signal) });
      },
    },
    {
      label: '/api/v1/build/{id}/upload',
      pattern: /^\/upload$/,
      method: 'POST',
      handle: async (x, { repo }) => {
        await takeObjects(x, options, repo, isDelta);
        sendJson(x.res, 200, {});
      },
    },
    {
      label: '/api/v1/build/{id}/build_ref',
      pattern: /^\/build_ref$/,
      method: 'POST',
      handle: (x, build) => addRef(x, options, build),
    },
    {
      label: '/api/v1/build/{id}/commit',
      pattern: /^\/commit$/,
      method: 'POST',
      handle: (x, build) => {
        sendJob(x, build, 'commit', baseUrl(x));
        return Promise.resolve();
      },
    },
    {
      label: '/api/v1/build/{id}/publish',
      pattern: /^\/publish$/,
      method: 'POST',
      handle: (x, build) => publish(x, options, build),
    },
    {
      label: '/api/v1/build/{id}/purge',
      pattern: /^\/purge$/,
      method: 'POST',
      handle: async (x, build) => {
        await builds.remove(build);
        sendJson(x.res, 200, {});
      },
    },
    {
      label: '/api/v1/build/{id}/job/{kind}',
      pattern: /^\/job\/(commit|publish)$/,
      method: 'GET',
      handle: (x, build, kind) => {
        sendJob(x, build, kind, baseUrl(x));
        return Promise.resolve();
      },
    },
  ];
}

async function createBuild(x: Exchange, options: FlatManagerOptions): Promise<void> {
  const body = options.contract.check('FlatManagerBuild', await readRequest(x));
  const repo = parseRepoName(body.repo);
  options.authorize?.(x, repo, 'push');
  const build = await options.builds.create(repo);
  if (build === undefined) throw new HttpError('unavailable', 'too many builds are open');
  sendBuild(x, build, false, options.baseUrl(x));
}

async function addRef(x: Exchange, options: FlatManagerOptions, build: Build): Promise<void> {
  const body = options.contract.check('FlatManagerRef', await readRequest(x));
  const { ref, commit } = {
    ref: parseOstreeRef(body.ref),
    commit: parseOstreeChecksum(body.commit),
  };
  if (!(await options.builds.setRef(build, { ref, commit }))) {
    throw new HttpError('too_large', `the build ${build.id} has as many refs as one may have`);
  }
  sendJson(x.res, 200, { ref, commit });
}

/** Ref by ref: one that can't move ends it, and publishing again goes on there. */
async function publish(x: Exchange, options: FlatManagerOptions, build: Build): Promise<void> {
  for (const { ref, commit } of await options.builds.refs(build)) {
    await moveRef(
      options,
      { repo: build.repo, ref, commit, expected: 'any' },
      { signal: x.signal },
    );
  }
  await options.builds.markPublished(build);
  sendJob(x, build, 'publish', options.baseUrl(x));
}

/** The client sends a commit's from-scratch delta along; this server makes its own. */
function isDelta(fileName: string): boolean {
  return /^[A-Za-z0-9+_-]{43,87}\.[a-z0-9]{1,10}\.delta$/.test(fileName);
}

function expectMethod(x: Exchange, method: 'GET' | 'POST'): void {
  const asked = x.req.method ?? '';
  if (asked === method || (asked === 'HEAD' && method === 'GET')) return;
  const Allow = method === 'GET' ? 'GET, HEAD' : method;
  throw new HttpError('method_not_allowed', `there is no ${asked} here`, { headers: { Allow } });
}
