import type { IncomingMessage } from 'node:http';

import type { Exchange } from '../http/exchange.ts';
import type { Logger } from '../observe/logger.ts';
import type { Caller, Callers } from './callers.ts';
import type { Refused } from './identities.ts';

type Outcome = Caller | Refused | { readonly failed: unknown };

/** Who makes the requests that run: found out once for each, for every check of it. */
export class KnownCallers {
  readonly #callers: Callers;
  readonly #logger: Logger;
  readonly #outcomes = new WeakMap<IncomingMessage, Outcome>();

  constructor(callers: Callers, logger: Logger) {
    this.#callers = callers;
    this.#logger = logger;
  }

  /** Finds out who calls; never rejects: the route that answers is to tell in its own words. */
  async meet(x: Exchange): Promise<void> {
    const outcome = await this.#find(x);
    this.#outcomes.set(x.req, outcome);
    if ('principal' in outcome) x.principal = outcome.principal;
    else if ('refused' in outcome) {
      this.#logger.warn({ requestId: x.id, why: outcome.refused }, 'credentials do not count');
    }
  }

  /** Throws what kept the server from finding out, such as `unavailable`. */
  get(req: IncomingMessage): Caller | Refused {
    const outcome = this.#outcomes.get(req);
    if (outcome === undefined) throw new TypeError('nobody asked who makes this request');
    if ('failed' in outcome) throw outcome.failed;
    return outcome;
  }

  /** Of a request that has been let through. */
  caller(req: IncomingMessage): Caller {
    const outcome = this.get(req);
    if ('refused' in outcome) throw new TypeError('this request should have been refused');
    return outcome;
  }

  async #find(x: Exchange): Promise<Outcome> {
    try {
      return await this.#callers.find(x);
    } catch (failed) {
      return { failed };
    }
  }
}
