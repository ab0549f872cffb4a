import { setTimeout as sleep } from 'node:timers/promises';

import { DeviceError, toDeviceError } from './errors.ts';

export interface RetryEnv {
  /** 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** Tries in a row that bring no byte before the next server is asked. */
const TRIES = 4;
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;

/** Of faults on several servers the one that decides: bad bytes before silence before absence. */
const WEIGHT: Readonly<Record<string, number>> = { corrupt: 3, too_large: 3, unreachable: 2 };

/**
 * Tries `attempt` on each server in turn. An unreachable one is tried again with growing, jittered
 * pauses, without end while `progress` (bytes so far) grows; any other answer moves on to the next.
 * Faults of the device itself (disk, abort) end it at once.
 */
export async function tryServers<T>(
  servers: readonly string[],
  env: RetryEnv,
  progress: () => number,
  attempt: (server: string) => Promise<T>,
): Promise<T> {
  let worst: DeviceError | undefined;
  for (const server of servers) {
    for (let tries = 0; tries < TRIES;) {
      const before = progress();
      try {
        return await attempt(server);
      } catch (error) {
        const fault = toDeviceError(error, server);
        if (isLocal(fault)) throw fault;
        if (worst === undefined || weight(fault) >= weight(worst)) worst = fault;
        if (!fault.retryable) break;
        tries = progress() > before ? 1 : tries + 1;
        if (tries < TRIES) await pause(tries, fault, env);
      }
    }
  }
  throw worst ?? new DeviceError('bad_answer', 'no server was named to fetch from');
}

function isLocal(fault: DeviceError): boolean {
  switch (fault.code) {
    case 'aborted':
    case 'no_space':
    case 'byte_ceiling':
    case 'quota':
    case 'io':
    case 'internal':
      return true;
    default:
      return false;
  }
}

function weight(fault: DeviceError): number {
  return WEIGHT[fault.code] ?? 1;
}

async function pause(tries: number, fault: DeviceError, env: RetryEnv): Promise<void> {
  const asked = fault.detail['retryAfterMs'];
  const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (tries - 1));
  const jittered = delay * (0.5 + env.random() / 2);
  const least = typeof asked === 'number' ? Math.min(asked, 6 * MAX_DELAY_MS) : 0;
  try {
    await sleep(Math.max(jittered, least), undefined, { signal: env.signal });
  } catch (error) {
    throw toDeviceError(error, 'waiting to try again');
  }
}
