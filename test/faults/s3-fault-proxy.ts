import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

/** What goes wrong with a request to S3. */
export type S3Fault =
  /** Another answer in place of the server's; `after` lets the server do the work first. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string;
      readonly after?: true;
    }
  /** The connection is reset: before the request is passed on, or once the server has done the work. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'in request' | 'after' }
  /** The connection is reset, or ends in peace, once so much of the answer's body is out. */
  | { readonly kind: 'break'; readonly share: number; readonly peacefully?: true }
  /** The body ends there, and so says its length. */
  | { readonly kind: 'short'; readonly share: number }
  /** Nothing more comes once so much of the body is out; not even a head when there is no share. */
  | { readonly kind: 'stall'; readonly share?: number }
  /** One bit of the body is another, on its way to the server or back. */
  | { readonly kind: 'flip'; readonly body: 'sent' | 'answered' }
  /** The answer's document, edited. */
  | { readonly kind: 'edit'; readonly edit: (document: string) => string };

/** Which requests a fault is for; all of them when nothing is named. */
export interface S3Match {
  readonly method?: string;
  /** In the path, the bucket first. */
  readonly key?: RegExp | string;
  /** A parameter that the query has: `uploads`, `uploadId`, `partNumber`, `list-type`. */
  readonly query?: string;
  readonly without?: string;
}

export interface S3FaultProxy {
  readonly url: string;
  /** `METHOD /path?names of parameters` of what was asked, in order. */
  readonly asked: readonly string[];
  /** Spoils matching requests from the `from`-th on (1 unless given), `times` of them (1 unless given). */
  spoil(match: S3Match, fault: S3Fault, options?: { from?: number; times?: number }): void;
  /** How many requests were spoiled so far. */
  spoiled(): number;
  /** No more faults, and nothing counted; what stalls stays so. */
  mend(): void;
  close(): Promise<void>;
}

interface Rule {
  readonly match: S3Match;
  readonly fault: S3Fault;
  skip: number;
  left: number;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** An error as S3 writes it. */
export function s3ErrorXml(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>on purpose</Message></Error>`;
}

/** Starts one on loopback before a real S3 server; signatures hold, since the Host header is passed on. */
export async function startS3FaultProxy(target: string): Promise<S3FaultProxy> {
  const rules: Rule[] = [];
  const asked: string[] = [];
  let spoiled = 0;

  const choose = (req: IncomingMessage, url: URL): S3Fault | undefined => {
    for (const rule of rules) {
      if (rule.left === 0 || !matches(rule.match, req, url)) continue;
      if (rule.skip > 0) {
        rule.skip -= 1;
        continue;
      }
      rule.left -= 1;
      spoiled += 1;
      return rule.fault;
    }
    return undefined;
  };
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', target);
    const names = [...url.searchParams.keys()].filter((name) => !name.startsWith('X-Amz-'));
    asked.push(
      `${req.method ?? ''} ${url.pathname}${names.length > 0 ? `?${names.join('&')}` : ''}`,
    );
    serve(url, req, res, choose(req, url)).catch(() => res.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    spoil(match, fault, { from = 1, times = 1 } = {}) {
      rules.push({ match, fault, skip: from - 1, left: times });
    },
    spoiled: () => spoiled,
    mend() {
      rules.length = 0;
      asked.length = 0;
      spoiled = 0;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function matches(match: S3Match, req: IncomingMessage, url: URL): boolean {
  const { method, key, query, without } = match;
  if (method !== undefined && req.method !== method) return false;
  if (typeof key === 'string' && !url.pathname.includes(key)) return false;
  if (key instanceof RegExp && !key.test(url.pathname)) return false;
  if (query !== undefined && !url.searchParams.has(query)) return false;
  return without === undefined || !url.searchParams.has(without);
}

async function serve(
  url: URL,
  req: IncomingMessage,
  res: ServerResponse,
  fault: S3Fault | undefined,
): Promise<void> {
  if (fault?.kind === 'reset' && fault.when !== 'after') {
    if (fault.when === 'in request') await once(req, 'readable');
    res.socket?.resetAndDestroy();
    return;
  }
  const sent = await readAll(req);
  if (fault?.kind === 'answer' && fault.after === undefined) {
    res.writeHead(fault.status, fault.headers).end(fault.body);
    return;
  }
  if (fault?.kind === 'stall' && fault.share === undefined) return;
  const flipSent = fault?.kind === 'flip' && fault.body === 'sent';
  const answer = await passOn(url, req, flipSent ? flipped(sent) : sent);
  if (fault === undefined || flipSent) sendWhole(req, res, answer, answer.body);
  else await sendSpoiled(req, res, answer, fault);
}

async function sendSpoiled(
  req: IncomingMessage,
  res: ServerResponse,
  answer: Answer,
  fault: S3Fault,
): Promise<void> {
  const { body } = answer;
  const at = 'share' in fault ? Math.floor(body.length * (fault.share ?? 0)) : 0;
  switch (fault.kind) {
    case 'answer':
      res.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    case 'reset':
      res.socket?.resetAndDestroy();
      return;
    case 'break':
    case 'stall':
      res.writeHead(answer.status, answer.headers);
      // What is still in a buffer when the connection is reset would be lost.
      await new Promise((done) => res.write(body.subarray(0, at), done));
      if (fault.kind === 'stall') return;
      await new Promise((done) => setTimeout(done, 20));
      if (fault.peacefully === true) res.socket?.destroySoon();
      else res.socket?.resetAndDestroy();
      return;
    case 'short':
      sendWhole(req, res, answer, body.subarray(0, at));
      return;
    case 'flip':
      sendWhole(req, res, answer, flipped(body));
      return;
    case 'edit':
      sendWhole(req, res, answer, Buffer.from(fault.edit(body.toString('utf8'))));
  }
}

function sendWhole(
  req: IncomingMessage,
  res: ServerResponse,
  { status, headers, body: whole }: Answer,
  body: Buffer,
): void {
  const own = Object.entries(headers).filter(([name]) => name !== 'transfer-encoding');
  // The length that a HEAD tells is not that of a body.
  const length = req.method === 'HEAD' || body === whole ? {} : { 'content-length': body.length };
  res.writeHead(status, { ...Object.fromEntries(own), ...length }).end(body);
}

function flipped(bytes: Buffer): Buffer {
  const wrong = Buffer.from(bytes);
  const at = Math.floor(wrong.length / 2);
  wrong[at] = (wrong[at] ?? 0) ^ 1;
  return wrong;
}

async function passOn(url: URL, req: IncomingMessage, body: Buffer): Promise<Answer> {
  const { method, headers } = req;
  const sent = request(url, { method, headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await readAll(response),
  };
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
