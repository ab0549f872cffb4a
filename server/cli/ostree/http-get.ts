import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { tlsFault } from '../../../delta/agent/tls-faults.ts';
import { ServerError } from '../../errors.ts';
import { isTransient } from './retry.ts';

/** An answer whose body is still to come. */
export interface Opened {
  readonly url: URL;
  /** Where in the file the body begins. */
  readonly start: number;
  /** Throws `unreachable` when it breaks off. */
  readonly body: AsyncIterable<Buffer>;
}

/** A server that sends nothing for so long is given up. */
const IDLE_MS = 60_000;
const MAX_REDIRECTS = 5;
/** As libostree sees them (ostree.md, "Archive repo over HTTP"). */
const ABSENT = new Set([403, 404, 410]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * GETs a file from a byte on, following redirects; undefined when it is not there. A token goes to that
 * server only. Throws `refused`
 * for other answers, `unreachable` (which another try may change) when there is none.
 */
export async function getFrom(
  url: URL,
  start: number,
  signal: AbortSignal | undefined,
  token?: string,
): Promise<Opened | undefined> {
  let at = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    // It is for the server that was named, not for where that one sends us.
    const own = at.origin === url.origin ? token : undefined;
    const response = await answerOf(at, { start, signal, token: own });
    const { statusCode: status = 0, headers } = response;
    if (REDIRECTS.has(status) && headers.location !== undefined) {
      response.destroy();
      at = redirected(at, headers.location);
      continue;
    }
    if (status === 200 || (status === 206 && start > 0)) {
      return { url: at, start: startOf(response, start), body: bodyOf(at, response) };
    }
    response.destroy();
    if (ABSENT.has(status)) return undefined;
    throw new ServerError('refused', `GET ${shown(at)} was answered ${status}`, {
      detail: { status },
      retryable: isTransient(status),
    });
  }
  throw new ServerError('refused', `GET ${shown(url)}: more than ${MAX_REDIRECTS} redirects`);
}

function answerOf(
  url: URL,
  {
    start,
    signal,
    token,
  }: {
    readonly start: number;
    readonly signal: AbortSignal | undefined;
    readonly token: string | undefined;
  },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      headers: {
        'user-agent': 'rivulet',
        ...(start === 0 ? {} : { range: `bytes=${start}-` }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      timeout: IDLE_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    request.on('timeout', () => {
      request.destroy(new Error(`nothing came for ${IDLE_MS / 1000} s`));
    });
    request.on('response', resolve);
    request.on('error', (cause) => {
      reject(unreachable(url, cause));
    });
    request.end();
  });
}

async function* bodyOf(url: URL, response: IncomingMessage): AsyncGenerator<Buffer, void> {
  try {
    for await (const part of response) yield part as Buffer;
  } catch (cause) {
    throw unreachable(url, cause);
  }
}

/** Throws `refused` for a range that is not the one asked for. */
function startOf(response: IncomingMessage, start: number): number {
  if (response.statusCode === 200) return 0;
  const range = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '');
  if (Number(range?.[1]) === start) return start;
  response.destroy();
  throw new ServerError('refused', `a range from ${start} was answered with another`);
}

/** Never from https to plain http. */
function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const isSpoken = to?.protocol === 'https:' || to?.protocol === from.protocol;
  if (to !== undefined && isSpoken) return to;
  throw new ServerError('refused', `${shown(from)} redirects to ${JSON.stringify(location)}`);
}

function unreachable(url: URL, cause: unknown): ServerError {
  const reason = tlsFault(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new ServerError('unreachable', `GET ${shown(url)} failed: ${reason}`, { cause });
}

/** Without a user and a password. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
