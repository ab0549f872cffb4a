import { setTimeout as sleep } from 'node:timers/promises';

import { ServerError } from '../../errors.ts';

/** A request is given up when it failed that often in a row. */
export const TRIES = 5;
const FIRST_PAUSE_MS = 250;

/** Answers that another try may change. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isTransient(status: number): boolean {
  return TRANSIENT.has(status);
}

/** True for a fault that another try may not meet. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ServerError && error.retryable;
}

/** Waits longer before each further try: 250 ms, then twice as long. */
export async function pauseBefore(attempt: number, signal?: AbortSignal): Promise<void> {
  await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal });
}

/** Runs what may be run again, up to {@link TRIES} times while its faults are retryable. */
export async function retrying<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isRetryable(error) || attempt >= TRIES || signal?.aborted === true) throw error;
      await pauseBefore(attempt, signal);
    }
  }
}
