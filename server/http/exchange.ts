import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Principal } from '../auth/principal.ts';
import type { Metrics } from '../observe/metrics.ts';

/** One request and its answer, on plain `node:http`. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The path with percent-encoding undone; no query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The request id, already set as `X-Request-Id` on the answer. */
  readonly id: string;
  /** Fires when the client leaves before the answer is complete. */
  readonly signal: AbortSignal;
  readonly metrics?: Metrics | undefined;
  /** Which kind of server answers; a label of metrics. */
  readonly tier: 'origin' | 'cache';
  /** The peer's IP address; empty once it has left. */
  readonly address: string;
  /** Set by access control; undefined while the server has no access rules. */
  principal?: Principal | undefined;
  /** Set by the route that answers: its pattern, the label of metrics and logs. */
  route?: string | undefined;
}

/**
 * A handler before express. Resolves true when it has answered (or the client has left), false to
 * pass the exchange on. What it throws becomes a problem answer, or a broken transfer when an
 * answer had begun.
 */
export type RawRoute = (x: Exchange) => Promise<boolean>;
