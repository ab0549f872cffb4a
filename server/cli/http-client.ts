import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { tlsFault } from '../../delta/agent/tls-faults.ts';
import { ServerError } from '../errors.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface HttpAsk {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a stream whose length `size` tells. */
  readonly body?: Buffer | Readable | undefined;
  readonly size?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The largest answer that a client of ours reads whole. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** One request with a bounded answer; `unreachable` when the server does not answer. */
export async function ask(url: URL, options: HttpAsk): Promise<HttpAnswer> {
  const size = Buffer.isBuffer(options.body) ? options.body.length : options.size;
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: options.method,
    headers: {
      ...options.headers,
      ...(size === undefined ? {} : { 'content-length': String(size) }),
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  try {
    const sent = send(request, options.body);
    // A server may refuse before it has read the body: its answer counts, not our broken pipe.
    const [response] = await Promise.race([answered, sent.then(() => answered)]);
    const body = await readAll(response);
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  } catch (cause) {
    if (cause instanceof ServerError) throw cause;
    throw new ServerError('unreachable', `${url.origin} does not answer: ${reason(cause)}`, {
      cause,
    });
  } finally {
    request.destroy();
  }
}

async function send(
  request: ReturnType<typeof httpRequest>,
  body: Buffer | Readable | undefined,
): Promise<void> {
  if (body === undefined || Buffer.isBuffer(body)) {
    request.end(body);
    return;
  }
  await pipeline(body, request);
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    const bytes = part as Buffer;
    size += bytes.length;
    if (size > MAX_ANSWER_BYTES) {
      throw new ServerError('refused', `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    }
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

function reason(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reason(cause.errors[0]);
  return tlsFault(cause) ?? (cause instanceof Error ? cause.message : String(cause));
}

/** Parses a server's base URL; `usage` otherwise. */
export function parseServerUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ServerError(
      'usage',
      `not a URL: ${JSON.stringify(text)} (expected http://HOST:PORT)`,
      {
        cause,
      },
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ServerError('usage', `${text}: only http and https are spoken`);
  }
  return url;
}

/** GETs JSON from a server; `refused` with the problem's words for any other status than 200. */
export async function getJson(server: URL, path: string, token?: string): Promise<unknown> {
  const url = new URL(path, server);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await ask(url, { method: 'GET', headers });
  if (answer.status !== 200) throw refused(url, 'GET', answer);
  return JSON.parse(answer.body.toString('utf8'));
}

/** What a server's refusal says, as one error. */
export function refused(url: URL, method: string, answer: HttpAnswer): ServerError {
  return new ServerError(
    'refused',
    `${method} ${url.href} was answered ${answer.status}: ${refusalText(answer.body)}${remedy(answer.status)}`,
    { detail: { status: answer.status } },
  );
}

/** What to do about a refusal that the answer itself (of a HEAD, say) may not explain. */
function remedy(status: number): string {
  if (status !== 401 && status !== 403) return '';
  return '; set RIVULET_TOKEN to a token that grants it (rivulet token create)';
}

function refusalText(body: Buffer): string {
  const text = body.toString('utf8').slice(0, 2000);
  try {
    const value = JSON.parse(text) as {
      title?: string;
      detail?: string;
      errors?: { code?: string; message?: string }[];
    };
    const first = value.errors?.[0];
    if (first !== undefined) return `${first.code ?? ''} ${first.message ?? ''}`.trim();
    if (value.title !== undefined) return [value.title, value.detail].filter(Boolean).join(': ');
  } catch {
    // Not JSON: the text itself is all there is to show.
  }
  return text === '' ? 'no reason given' : text;
}
