import { parseObjectPath } from '../../delta/ostree/objects/object-name.ts';
import { parseRepoName, type RepoName } from '../../storage/names.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { OstreeDeltas } from './deltas.ts';
import { OstreeDocuments } from './documents.ts';
import { asNotFound } from './not-found.ts';
import { sendObject } from './objects.ts';
import type { OstreeOptions } from './options.ts';
import { isOstreePath, splitOstreePath } from './path.ts';
import { putCommitmeta } from './push/commitmeta.ts';
import { askMissing } from './push/missing.ts';
import { pushObjects } from './push/objects.ts';
import { deleteRef, putRef } from './push/refs.ts';
import { pushRootfs } from './push/rootfs.ts';
import { ScanGate } from './scan-gate.ts';
import { DeltaShield } from './shield.ts';

/** `caught` is what the pattern caught, not yet checked. */
type Handler = (x: Exchange, repo: RepoName, caught: string) => Promise<void>;

interface OstreeRoute {
  readonly label: string;
  /** Of the path inside the repository. */
  readonly pattern: RegExp;
  /** HEAD is answered by GET. */
  readonly methods: Readonly<Record<string, Handler>>;
}

const NOTHING = 'nothing of an OSTree repository is at this path';

/** `/ostree/{repo}/`: archive repositories for stock clients, and what pushes to them. */
export function createOstreeRoute(options: OstreeOptions): RawRoute {
  const routes = [...pushRoutes(options), ...pullRoutes(options)];
  return async (x) => {
    if (!isOstreePath(x.path)) return false;
    x.route = '/ostree/{repo}/{path}';
    const split = splitOstreePath(x.path);
    if (split === undefined) throw new HttpError('not_found', NOTHING);
    const repo = parseRepoName(split.repo);
    const verb = split.inside.startsWith('push/') ? 'push' : 'pull';
    options.authorize?.(x, repo, verb);
    for (const route of routes) {
      const match = route.pattern.exec(split.inside);
      if (match === null) continue;
      x.route = route.label;
      await handlerOf(route, x)(x, repo, match[1] ?? '');
      return true;
    }
    throw new HttpError('not_found', NOTHING);
  };
}

function pushRoutes(options: OstreeOptions): readonly OstreeRoute[] {
  return [
    {
      label: '/ostree/{repo}/push/missing',
      pattern: /^push\/missing$/,
      methods: { POST: (x, repo) => askMissing(x, options, repo) },
    },
    {
      label: '/ostree/{repo}/push/objects',
      pattern: /^push\/objects$/,
      methods: { POST: (x, repo) => pushObjects(x, options, repo) },
    },
    {
      label: '/ostree/{repo}/push/rootfs',
      pattern: /^push\/rootfs$/,
      methods: { POST: (x, repo) => pushRootfs(x, options, repo) },
    },
    {
      label: '/ostree/{repo}/push/refs/{ref}',
      pattern: /^push\/refs\/(.+)$/s,
      methods: {
        PUT: (x, repo, ref) => putRef(x, options, repo, ref),
        DELETE: (x, repo, ref) => deleteRef(x, options, repo, ref),
      },
    },
    {
      label: '/ostree/{repo}/push/commitmeta/{commit}',
      pattern: /^push\/commitmeta\/([^/]+)$/,
      methods: { PUT: (x, repo, commit) => putCommitmeta(x, options, repo, commit) },
    },
  ];
}

/** The files of an archive repository; every other path is one that it could have, and has not. */
function pullRoutes(options: OstreeOptions): readonly OstreeRoute[] {
  const documents = new OstreeDocuments(options);
  const shield = new DeltaShield(options.shield);
  const gate = new ScanGate(options);
  const deltas = new OstreeDeltas(options, shield, gate);
  const file = (pattern: RegExp, GET: Handler): OstreeRoute => ({
    label: '/ostree/{repo}/{path}',
    pattern,
    methods: { GET },
  });
  return [
    file(/^config$/, (x, repo) => documents.config(x, repo)),
    file(/^summary$/, (x, repo) => documents.summary(x, repo)),
    file(/^summary\.sig$/, (x, repo) => documents.summarySignatures(x, repo)),
    file(/^refs\/heads\/(.+)$/s, (x, repo, ref) => documents.ref(x, repo, ref)),
    file(/^objects\/(..\/.{62})\.commitmeta$/s, (x, repo, checksum) =>
      documents.commitmeta(x, repo, checksum.replace('/', '')),
    ),
    file(/^(objects\/.*)$/s, async (x, repo, path) => {
      const name = asNotFound(() => parseObjectPath(path));
      const hold = (): Promise<void> => shield.hold(x, repo, name.checksum);
      // The commit itself is small, and clients ask for it before any delta.
      if (name.kind === 'dirtree') await gate.during(x, repo, hold);
      else if (name.kind !== 'commit') await hold();
      await sendObject(x, options, repo, name);
    }),
    file(/^(deltas\/.*)$/s, (x, repo, path) => deltas.file(x, repo, path)),
    file(/^(delta-indexes\/.*)$/s, (x, repo, path) => deltas.index(x, repo, path)),
    file(/^(.*)$/s, (_x, repo, path) =>
      Promise.reject(new HttpError('not_found', `${repo} has no ${path.slice(0, 200)}`)),
    ),
  ];
}

function handlerOf({ label, methods }: OstreeRoute, x: Exchange): Handler {
  const method = x.req.method ?? '';
  const handler = methods[method === 'HEAD' ? 'GET' : method];
  if (handler !== undefined) return handler;
  const allowed = Object.keys(methods);
  if (allowed.includes('GET')) allowed.push('HEAD');
  throw new HttpError('method_not_allowed', `${label} has no ${method}`, {
    headers: { Allow: allowed.join(', ') },
  });
}
