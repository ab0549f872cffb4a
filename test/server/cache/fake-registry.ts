import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';

export interface FakeRegistryOptions {
  /** `name:password` of who gets tokens, or of who is let in; undefined: everyone. */
  readonly user?: string;
  /** How it lets in: tokens of its service at `/token`, or Basic. */
  readonly scheme?: 'bearer' | 'basic';
  /** Of its tokens. */
  readonly expiresIn?: number;
  /** Instead of its own token service. */
  readonly realm?: string;
  /** Blobs are elsewhere, at this base URL. */
  readonly redirect?: string;
}

/** A registry that is not ours: the token flow of the registry specification, tags, blobs, redirects. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly tags = new Map<string, Buffer>();
  /** Every request: `METHOD path`. */
  readonly seen: string[] = [];
  /** Scopes that tokens were asked for. */
  readonly scopes: string[] = [];
  readonly shown: (string | undefined)[] = [];
  options: FakeRegistryOptions;
  url = '';
  #server: Server | undefined;
  #tokens = new Map<string, { readonly scope: string; readonly endsMs: number }>();

  constructor(options: FakeRegistryOptions) {
    this.options = options;
  }

  /** In a repository: `repo` has it from now on. */
  addBlob(repo: string, bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(`${repo} ${digest}`, bytes);
    return digest;
  }

  addManifest(repo: string, tag: string, bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.tags.set(`${repo} ${tag}`, bytes);
    this.tags.set(`${repo} ${digest}`, bytes);
    return digest;
  }

  /** No token is good any more. */
  revoke(): void {
    this.#tokens.clear();
  }

  async start(): Promise<void> {
    const port = this.url === '' ? 0 : Number(new URL(this.url).port);
    this.#server = createServer((req, res) => {
      this.#answer(req, res);
    });
    const server = this.#server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    const url = new URL(req.url ?? '/', this.url);
    this.seen.push(`${req.method ?? ''} ${url.pathname}`);
    if (url.pathname === '/token') {
      this.#giveToken(req, res, url);
      return;
    }
    this.shown.push(req.headers.authorization);
    const [, repo = '', kind, name = ''] =
      /^\/v2\/(.+)\/(blobs|manifests|tags)\/(.+)$/.exec(url.pathname) ?? [];
    if (!this.#letsIn(req, repo)) {
      const realm = this.options.realm ?? `${this.url}/token`;
      const challenge =
        this.options.scheme === 'basic'
          ? 'Basic realm="fake"'
          : `Bearer realm="${realm}",service="fake.example",scope="repository:${repo}:pull"`;
      res.writeHead(401, { 'WWW-Authenticate': challenge }).end();
    } else if (kind === 'blobs') this.#sendBlob(req, res, `${repo} ${name}`);
    else this.#sendManifest(req, res, `${repo} ${name}`);
  }

  #giveToken(req: IncomingMessage, res: ServerResponse, url: URL): void {
    const { user, expiresIn = 300 } = this.options;
    const scope = url.searchParams.get('scope') ?? '';
    if (user !== undefined && req.headers.authorization !== basic(user)) {
      res.writeHead(401).end();
      return;
    }
    this.scopes.push(scope);
    const token = `t${this.scopes.length}`;
    this.#tokens.set(token, { scope, endsMs: Date.now() + expiresIn * 1000 });
    const body = JSON.stringify({
      token,
      expires_in: expiresIn,
      issued_at: '1999-01-01T00:00:00Z',
    });
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(body);
  }

  #letsIn(req: IncomingMessage, repo: string): boolean {
    const shown = req.headers.authorization;
    if (this.options.scheme === 'basic') return shown === basic(this.options.user ?? '');
    if (this.options.scheme === undefined) return true;
    const token = this.#tokens.get(shown?.replace('Bearer ', '') ?? '');
    return token?.scope === `repository:${repo}:pull`;
  }

  #sendBlob(req: IncomingMessage, res: ServerResponse, key: string): void {
    const bytes = this.blobs.get(key);
    if (bytes === undefined) res.writeHead(404).end();
    else if (this.options.redirect !== undefined) {
      const to = `${this.options.redirect}/${key.split(' ')[1] ?? ''}?X-Amz-Signature=ab`;
      res.writeHead(307, { Location: to }).end();
    } else sendRange(req, res, bytes);
  }

  #sendManifest(req: IncomingMessage, res: ServerResponse, key: string): void {
    const bytes = this.tags.get(key);
    if (bytes === undefined) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, {
      'Content-Type': MEDIA_TYPES.ociManifest,
      'Docker-Content-Digest': digestOf(bytes),
      'Content-Length': bytes.length,
    });
    res.end(req.method === 'HEAD' ? undefined : bytes);
  }
}

export async function startRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const registry = new FakeRegistry(options);
  await registry.start();
  onTestFinished(() => registry.stop());
  return registry;
}

function basic(user: string): string {
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

/** Bytes with one range at most, as object stores send them. */
export function sendRange(req: IncomingMessage, res: ServerResponse, bytes: Buffer): void {
  const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '') ?? [];
  const part = first === '' ? bytes : bytes.subarray(Number(first), Number(last) + 1);
  const range = `bytes ${first}-${last}/${bytes.length}`;
  res.writeHead(first === '' ? 200 : 206, {
    'Content-Length': part.length,
    ...(first !== '' && { 'Content-Range': range }),
  });
  res.end(req.method === 'HEAD' ? undefined : part);
}
