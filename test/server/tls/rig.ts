import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:https';
import type { Agent } from 'node:https';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { onTestFinished } from 'vitest';

import type { ServerConfig, TlsConfig } from '../../../server/config.ts';
import type { Exchange } from '../../../server/http/exchange.ts';
import { HttpExchange } from '../../../server/http/http-exchange.ts';
import { openTls, type TlsMaterial, type TlsOptions } from '../../../server/http/tls.ts';
import { createLogger, type Logger } from '../../../server/observe/logger.ts';
import type { Pair } from './authority.ts';

/** A folder for the tests of a file; the caller removes it. */
export function tempFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'rivulet-tls-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** A logger whose lines can be read. */
export function readableLogger(level: ServerConfig['logLevel'] = 'info'): {
  readonly logger: Logger;
  readonly text: () => string;
} {
  let text = '';
  const output = new Writable({
    write(bytes: Buffer, _encoding, done) {
      text += bytes.toString();
      done();
    },
  });
  return { logger: createLogger(level, output), text: () => text };
}

export interface TestServer {
  readonly url: string;
  readonly server: Server;
  readonly tls: TlsMaterial;
}

/** An https server straight over the material. */
export async function serveTls(
  config: TlsConfig,
  listener: (x: Exchange, tls: TlsMaterial) => void,
  options: Partial<TlsOptions> = {},
): Promise<TestServer> {
  const tls = await openTls(config, { logger: createLogger('silent'), ...options });
  const answer: RequestListener = (req, res) => {
    const x = new HttpExchange(req, res, {});
    x.readTarget();
    listener(x, tls);
  };
  const server = createServer(tls.options, answer);
  // Only what is tested ends a connection.
  server.keepAliveTimeout = 0;
  tls.watch(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    tls.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}`, server, tls };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface AskOptions {
  readonly ca: string;
  readonly client?: Pair | undefined;
  readonly agent?: Agent | undefined;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Told of each part of the body. */
  readonly onPart?: (bytes: number) => void;
}

/** One request over TLS. */
export function ask(url: string, options: AskOptions): Promise<Answer> {
  const { ca, client, agent, method = 'GET', headers = {}, onPart } = options;
  return new Promise((resolve, reject) => {
    const req = request(
      url,
      {
        method,
        headers,
        ca,
        agent: agent ?? false,
        ...(client !== undefined && { cert: client.cert, key: client.key }),
      },
      (res) => {
        const parts: Buffer[] = [];
        res.on('data', (part: Buffer) => {
          parts.push(part);
          onPart?.(part.length);
        });
        res.on('error', reject);
        res.on('end', () => {
          const text = Buffer.concat(parts).toString('latin1');
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text });
        });
      },
    );
    req.on('error', reject);
    req.end();
  });
}
