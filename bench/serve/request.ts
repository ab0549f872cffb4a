import { request as plainRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';

import { tlsClientOptions, type TlsFiles } from './tls-files.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RequestParts {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Buffer;
  readonly tls?: TlsFiles | undefined;
}

/** One request on a connection of its own, its answer read whole. */
export async function ask(
  url: string,
  { method, headers, body, tls }: RequestParts,
): Promise<Answer> {
  const options: RequestOptions = {
    method: method ?? 'GET',
    headers: { ...headers },
    agent: false,
    ...(tls !== undefined && (await tlsClientOptions(tls))),
  };
  const send = url.startsWith('https:') ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, options, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.once('error', reject);
      answer.once('end', () => {
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: Buffer.concat(parts),
        });
      });
    });
    request.once('error', reject);
    request.end(body);
  });
}
