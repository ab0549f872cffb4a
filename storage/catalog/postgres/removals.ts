import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';

import { REMOVAL_CHANNEL } from '../removal-triggers.ts';

/** Other processes' removals are known within this, or it is known that they are not. */
const FRESH_MS = 1000;
const HEARTBEAT_MS = 300;
const RECONNECT_MS = 1000;

/**
 * The epoch of `Catalog.removalEpoch` on PostgreSQL. Removals of this process count before they are
 * acknowledged. Those of others come as notifications, after they are committed; a question that is sent
 * three times a second is answered behind all that were committed before it was sent. So the epoch is
 * behind others by a second at most: with the last answered question older than that there is none. A
 * connection made anew may have missed some, and counts as one.
 *
 * Nothing is connected before the epoch is first asked for: only servers do.
 */
export class Removals {
  readonly #options: ClientConfig;
  #epoch = 0;
  /** On the monotonic clock: all that was committed before is counted. */
  #knownUntilMs = -Infinity;
  #listening: Promise<void> | undefined;
  readonly #closed = new AbortController();

  constructor(options: ClientConfig) {
    this.#options = options;
  }

  /** Notes a removal. */
  readonly bump = (): void => {
    this.#epoch += 1;
  };

  epoch(): number | undefined {
    this.#listening ??= this.#listen();
    return performance.now() - this.#knownUntilMs > FRESH_MS ? undefined : this.#epoch;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#knownUntilMs = -Infinity;
    await this.#listening;
  }

  async #listen(): Promise<void> {
    while (!this.#isClosed()) {
      const client = new Client({
        ...this.#options,
        connectionTimeoutMillis: FRESH_MS,
        query_timeout: FRESH_MS,
      });
      // What breaks the connection fails the next question as well.
      client.on('error', () => undefined);
      client.on('notification', this.bump);
      try {
        await this.#ask(client);
      } catch {
        await this.#pause(RECONNECT_MS);
      } finally {
        void client.end().catch(() => undefined);
      }
    }
  }

  /** Until the connection fails, or all is closed. */
  async #ask(client: Client): Promise<void> {
    await client.connect();
    await client.query(`listen ${REMOVAL_CHANNEL}`);
    this.bump();
    while (!this.#isClosed()) {
      const sentMs = performance.now();
      await client.query('select 1');
      if (!this.#isClosed()) this.#knownUntilMs = sentMs;
      await this.#pause(HEARTBEAT_MS);
    }
  }

  #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closed.signal, ref: false }).catch(() => undefined);
  }
}
