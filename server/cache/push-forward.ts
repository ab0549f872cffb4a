import { once } from 'node:events';
import {
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { request as httpsRequest } from 'node:https';

import { tlsFault } from '../../delta/agent/tls-faults.ts';
import { StorageError } from '../../storage/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { readReference, readRepo } from '../oci/names.ts';
import type { Logger } from '../observe/logger.ts';
import { cacheUrlOf } from './cache-url.ts';
import { answerV2 } from './failure.ts';
import type { ManifestCache } from './manifest-cache.ts';
import { nameRequest, type RegistryNames } from './registries/names.ts';
import { createAgents, type Agents, type UpstreamTls } from './upstream-agents.ts';
import type { Upstream } from './upstream.ts';

const UPLOAD = /^\/v2\/.+\/blobs\/uploads\//;
const BLOB = /^\/v2\/.+\/blobs\/[^/]+$/;
const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
/** The origin may take so long to answer once it has the whole body: it checks digests. */
const ANSWER_MS = 300_000;
/** Of one connection only (RFC 9110, 7.6.1), or set anew. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface PushForwardOptions {
  readonly upstream: Upstream;
  readonly upstreamTls: UpstreamTls | undefined;
  readonly names: RegistryNames;
  /** Of the origin: a tag that was pushed is asked for again. */
  readonly manifests: ManifestCache;
  readonly publicUrl: string;
  readonly logger: Logger;
}

/**
 * Passes pushes to the origin's repositories on, byte by byte as they come, with the client's own
 * credentials and never the cache's. What tells a client how to log in, and what of an image is there
 * already, is the origin's answer too; when the origin is gone the cache gives its own.
 */
export function createPushForward(options: PushForwardOptions): RawRoute {
  const { upstream, upstreamTls, names, manifests, logger } = options;
  const agents = createAgents(Infinity, upstreamTls, false);
  return async (x) => {
    if (!isRegistryPath(x.path)) return false;
    let answered = true;
    await answerV2(x, logger, 'NAME_UNKNOWN', async () => {
      const { registry } = nameRequest(x.path, x.query, names);
      const kind = registry === '' ? kindOf(x) : 'read';
      if (kind === 'read') {
        answered = false;
        return;
      }
      try {
        const answer = await send(x, upstream, agents);
        await noteMoved(x, answer, manifests);
        await passBack(x, answer, options);
      } catch (error) {
        const gone = error instanceof StorageError && error.code === 'unavailable';
        if (kind === 'push' || !gone || x.res.headersSent) throw error;
        answered = false;
      }
    });
    return answered;
  };
}

function isRegistryPath(path: string): boolean {
  return path === '/v2' || path.startsWith('/v2/') || path === '/v1/token';
}

/** `look`: what the cache can answer itself when the origin is gone. */
function kindOf({ req, path }: Exchange): 'push' | 'look' | 'read' {
  const reads = req.method === 'GET' || req.method === 'HEAD';
  if (!reads || UPLOAD.test(path) || path === '/v1/token') return 'push';
  if (path === '/v2' || path === '/v2/') return 'look';
  return req.method === 'HEAD' && BLOB.test(path) ? 'look' : 'read';
}

/** Sends the request with its body; resolves with the answer's head, which may come before the body's end. */
function send(x: Exchange, upstream: Upstream, agents: Agents): Promise<IncomingMessage> {
  const { req, path, query, signal } = x;
  x.route = path === '/v1/token' ? '/v1/token' : '/v2/';
  const asked = new URLSearchParams(query);
  asked.delete('ns');
  const search = asked.size === 0 ? '' : `?${asked.toString()}`;
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const url = new URL(`${upstream.url}${encoded}${search}`);
  const secure = url.protocol === 'https:';
  const options = {
    method: req.method,
    headers: passedHeaders(req.headers),
    agent: secure ? agents.https : agents.http,
    signal,
  };
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = secure ? httpsRequest(url, options) : httpRequest(url, options);
    let late: NodeJS.Timeout | undefined;
    sent.once('finish', () => {
      late = setTimeout(() => {
        sent.destroy(new Error(`no answer for ${ANSWER_MS} ms`));
      }, ANSWER_MS).unref();
    });
    sent.once('close', () => {
      clearTimeout(late);
      req.unpipe(sent);
    });
    sent.on('error', (cause) => {
      const why = tlsFault(cause) ?? cause.message;
      const text = `the origin ${upstream.host} is not to be had: ${why}`;
      reject(new StorageError('unavailable', text, { cause }));
    });
    sent.once('response', (answer) => {
      clearTimeout(late);
      resolve(answer);
    });
    if (hasBody(req)) req.pipe(sent);
    else sent.end();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function passedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const kept = Object.entries(headers).filter(
    ([name]) => !OWN_HEADERS.has(name) && !named.includes(name),
  );
  return Object.fromEntries(kept);
}

async function passBack(
  x: Exchange,
  answer: IncomingMessage,
  { upstream, publicUrl }: PushForwardOptions,
): Promise<void> {
  const { location, 'www-authenticate': challenge, ...rest } = passedHeaders(answer.headers);
  const headers: OutgoingHttpHeaders = { ...rest };
  if (typeof location === 'string') headers['location'] = ownLocation(location, upstream.url);
  if (typeof challenge === 'string') {
    const realm = `realm="${cacheUrlOf(x.req, publicUrl)}/`;
    headers['www-authenticate'] = challenge.replace(`realm="${upstream.url}/`, realm);
  }
  x.res.writeHead(answer.statusCode ?? 502, headers);
  for await (const part of answer) {
    if (!x.res.write(part)) await once(x.res, 'drain', { signal: x.signal });
  }
  x.res.end();
}

/** A place at the origin is one here; elsewhere it stays what it is. */
function ownLocation(location: string, originUrl: string): string {
  const base = new URL(`${originUrl}/`);
  const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (url?.origin !== base.origin) return location;
  const path = url.pathname.startsWith(base.pathname)
    ? url.pathname.slice(base.pathname.length - 1)
    : url.pathname;
  return path + url.search;
}

async function noteMoved(
  { req, path }: Exchange,
  { statusCode = 0 }: IncomingMessage,
  manifests: ManifestCache,
): Promise<void> {
  const [, name, text = ''] = MANIFEST.exec(path) ?? [];
  if (name === undefined || req.method === 'HEAD' || statusCode >= 300) return;
  const reference = readReference(text, 'MANIFEST_UNKNOWN');
  if (reference.kind === 'tag') await manifests.forgetTag(readRepo(name), reference.tag);
}
