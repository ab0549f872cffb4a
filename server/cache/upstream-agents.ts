import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';

const MAX_FREE_CONNECTIONS = 16;

/** PEM. */
export interface UpstreamTls {
  /** Authorities that are trusted beside the system's. */
  readonly ca?: string | undefined;
  /** Of a client certificate. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Kept-alive connections to an upstream, and to where it redirects. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** `maxSockets`: connections to one address at once. */
export function createAgents(
  maxSockets: number,
  { ca, cert, key }: UpstreamTls = {},
  keepAlive = true,
): Agents {
  const settings = { keepAlive, maxSockets, maxFreeSockets: MAX_FREE_CONNECTIONS };
  const secure = {
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    ...(cert !== undefined && { cert, key }),
  };
  return { http: new HttpAgent(settings), https: new HttpsAgent({ ...settings, ...secure }) };
}
