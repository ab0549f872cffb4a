import { setTimeout as sleep } from 'node:timers/promises';

import { abortedError } from './durable.ts';
import { CodedError } from './errors.ts';
import type { IoOptions } from './object-store.ts';
import type { RetryBudget } from './retry-budget.ts';

export interface RetryOptions {
  /** How often the work is tried at most; 3 unless given. */
  readonly attempts?: number | undefined;
  /** The pause before the second try, doubled before each further one, up to half of it more at random; 100 unless given. */
  readonly baseDelayMs?: number | undefined;
  /**
   * The longest pause; 5000 unless given. A store that asks for a longer one (`retryAfterMs` in the
   * error's detail) is not tried again: the caller hears of it at once.
   */
  readonly maxDelayMs?: number | undefined;
  /** No try begins later than this after the first; no limit unless given. */
  readonly maxElapsedMs?: number | undefined;
  /** What all retries of a store take from. */
  readonly budget?: RetryBudget | undefined;
}

/** Runs idempotent work again while it fails with a retryable {@link CodedError}; `aborted` ends the pauses. */
export async function retry<T>(
  work: () => Promise<T>,
  options: RetryOptions & IoOptions = {},
): Promise<T> {
  const { attempts = 3, maxElapsedMs = Infinity, budget, signal } = options;
  const begun = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    let pauseMs: number | undefined;
    try {
      const result = await work();
      if (attempt === 1) budget?.succeeded();
      return result;
    } catch (error) {
      if (attempt < attempts && signal?.aborted !== true) {
        pauseMs = pauseBefore(error, attempt, options);
      }
      const late = performance.now() - begun + (pauseMs ?? 0) > maxElapsedMs;
      if (pauseMs === undefined || late || budget?.take() === false) throw error;
    }
    await pause(pauseMs, signal);
  }
}

/** How long to wait before the next try; undefined when there should be none. */
export function pauseBefore(
  error: unknown,
  attempt: number,
  { baseDelayMs = 100, maxDelayMs = 5000 }: RetryOptions,
): number | undefined {
  if (!(error instanceof CodedError) || !error.retryable) return undefined;
  const asked: unknown = error.detail['retryAfterMs'];
  const askedMs = typeof asked === 'number' ? asked : 0;
  if (askedMs > maxDelayMs) return undefined;
  const delayMs = Math.min(baseDelayMs * 2 ** (attempt - 1), maxDelayMs);
  return Math.max(askedMs, delayMs * (1 + Math.random() / 2));
}

/** Waits; rejects with `aborted` when the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    throw signal?.aborted === true ? abortedError(signal, 'waiting for another try') : error;
  }
}
