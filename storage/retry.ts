import { setTimeout as sleep } from 'node:timers/promises';

import { abortedError } from './durable.ts';
import { CodedError } from './errors.ts';
import type { IoOptions } from './object-store.ts';

export interface RetryOptions {
  /** How often the work is tried at most; 3 unless given. */
  readonly attempts?: number | undefined;
  /** The pause before the second try, doubled before each further one, up to half of it more at random; 100 unless given. */
  readonly baseDelayMs?: number | undefined;
}

/** Runs idempotent work again while it fails with a retryable {@link CodedError}; `aborted` ends the pauses. */
export async function retry<T>(
  work: () => Promise<T>,
  options: RetryOptions & IoOptions = {},
): Promise<T> {
  const { attempts = 3, baseDelayMs = 100, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof CodedError && error.retryable && attempt < attempts;
      if (!again || signal?.aborted === true) throw error;
    }
    await pause(baseDelayMs * 2 ** (attempt - 1) * (1 + Math.random() / 2), signal);
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    throw signal?.aborted === true ? abortedError(signal, 'waiting for another try') : error;
  }
}
