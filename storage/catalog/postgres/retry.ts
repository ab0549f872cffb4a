import { setTimeout as sleep } from 'node:timers/promises';

import { isDeadlock, isRaced } from './errors.ts';

/** As long as a writer of SQLite waits for its turn. */
const BUDGET_MS = 10_000;
const LONGEST_PAUSE_MS = 100;
/** After so many tries a writer waits for its turn. */
const TRIES_AT_ONCE = 3;

/** One try; `inTurn` says to take the turn first, which only one writer has at a time. */
export type Try<T> = (inTurn: boolean) => Promise<T>;

/**
 * Does a transaction again that lost against another, after a pause that grows and is drawn by lot. Those
 * that lost several times take turns, so that they do not lose against each other for ever; so does at once
 * who was in a deadlock, of which PostgreSQL tells only after a second (`deadlock_timeout`).
 */
export async function retryRaced<T>(attempt: Try<T>): Promise<T> {
  const endMs = performance.now() + BUDGET_MS;
  let inTurn = false;
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt(inTurn);
    } catch (error) {
      if (!isRaced(error) || performance.now() > endMs) throw error;
      inTurn ||= tries >= TRIES_AT_ONCE || isDeadlock(error);
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** (tries - 1)));
    }
  }
}
