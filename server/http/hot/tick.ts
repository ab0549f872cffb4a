import type { Metrics } from '../../observe/metrics.ts';

type Kind = 'whole' | 'range';

interface Count {
  readonly route: string;
  readonly kind: Kind;
  requests: number;
  bytes: number;
}

/** One turn of the event loop: what is looked up once in it, and what is counted. */
export class Tick {
  readonly epoch: number | undefined;
  /** Answers are written down one by one. */
  readonly isLogged: boolean;
  /** For the Date field. */
  readonly date = new Date().toUTCString();
  /** A handful: a route and a kind each. */
  readonly #counts: Count[] = [];

  constructor(epoch: number | undefined, isLogged: boolean) {
    this.epoch = epoch;
    this.isLogged = isLogged;
  }

  count(route: string, kind: Kind, bytes: number): void {
    let count = this.#counts.find((known) => known.route === route && known.kind === kind);
    if (count === undefined) {
      count = { route, kind, requests: 0, bytes: 0 };
      this.#counts.push(count);
    }
    count.requests += 1;
    count.bytes += bytes;
  }

  report(metrics: Metrics, tier: 'origin' | 'cache'): void {
    for (const { route, kind, requests, bytes } of this.#counts) {
      metrics.httpRequests.inc({ route, status: kind === 'whole' ? 200 : 206 }, requests);
      metrics.bytesServed.inc({ tier, kind }, bytes);
      if (tier === 'cache') metrics.cacheRequests.inc({ result: 'hit' }, requests);
      if (kind === 'range') metrics.rangeRequests.inc({ kind }, requests);
    }
  }
}
