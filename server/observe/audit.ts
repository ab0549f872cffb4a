import type { Exchange, RawRoute } from '../http/exchange.ts';
import { routeLabel } from '../http/route-label.ts';
import type { Logger } from './logger.ts';

const REFUSALS: ReadonlySet<number> = new Set([401, 403, 429]);
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** POSTs that change nothing an operator owns: a question, a ticket, a device's own reports. */
const NOT_WRITES = /^\/v1\/(?:check|token|decisions\/[^/]+\/events)$/;
const MAX_PATH = 2048;
/** The status in the log of a request whose client left before its answer. */
const LEFT = 499;

type Kind = 'write' | 'refusal';

const MESSAGES = {
  write: 'a write was answered',
  refusal: 'a request was refused',
} as const satisfies Record<Kind, string>;

/**
 * Stands before everything, and writes down who changed what and who was refused (401, 403, 429): one
 * line each, at every log level but `silent`. Queries, headers and bodies are left out: they may hold
 * secrets.
 */
export function createAuditRoute(logger: Logger): RawRoute {
  const lines = logger.level === 'silent' ? logger : logger.child({}, { level: 'info' });
  return (x) => {
    // The socket forgets its peer once it is closed.
    const { address } = x;
    x.res.once('close', () => {
      const kind = kindOf(x);
      if (kind !== undefined) lines.info(lineOf(x, kind, address), MESSAGES[kind]);
    });
    return Promise.resolve(false);
  };
}

function lineOf(x: Exchange, kind: Kind, address: string): Readonly<Record<string, unknown>> {
  return {
    audit: kind,
    principal: x.principal?.name ?? 'anonymous',
    address,
    method: x.req.method,
    route: routeLabel(x),
    path: x.path.slice(0, MAX_PATH),
    status: x.res.headersSent ? x.res.statusCode : LEFT,
    requestId: x.id,
  };
}

function kindOf({ req, res, path }: Exchange): Kind | undefined {
  if (res.headersSent && REFUSALS.has(res.statusCode)) return 'refusal';
  if (READS.has(req.method ?? '')) return undefined;
  const isOurs = path.startsWith('/v1/') || path.startsWith('/v2/');
  return isOurs && !NOT_WRITES.test(path) ? 'write' : undefined;
}
