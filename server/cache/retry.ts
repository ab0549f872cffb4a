import { setTimeout as sleep } from 'node:timers/promises';

import { abortedError } from '../../storage/durable.ts';

/** How often, and after which pauses, something is tried again. */
export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** The first pause; each later one is twice as long. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
}

/** The pause after `failures` failures in a row: half fixed, half random, so that many spread out. */
export function pauseAfter(
  failures: number,
  { pauseMs, maxPauseMs }: Pick<RetryPolicy, 'pauseMs' | 'maxPauseMs'>,
  random: () => number = Math.random,
): number {
  const full = Math.min(pauseMs * 2 ** Math.min(failures - 1, 30), maxPauseMs);
  return full / 2 + (random() * full) / 2;
}

/** Waits; rejects with `aborted` when the signal fires first. Does not keep the process alive. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal, ref: false });
  } catch (error) {
    if (signal?.aborted === true) throw abortedError(signal, 'waiting');
    throw error;
  }
}
