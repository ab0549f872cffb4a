import type { FrontConfig, RateConfig } from '../config.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { sendOciError, toOciError } from '../oci/errors.ts';
import { addressKey } from './address-key.ts';
import { Buckets, type Ticks } from './buckets.ts';

/** Probes of an orchestrator must never take a server for dead because it is asked a lot. */
const UNLIMITED: ReadonlySet<string> = new Set(['/livez', '/readyz']);

export interface LimiterOptions {
  /** Processes that share the limits: each keeps to its part of them. Default 1. */
  readonly processes?: number | undefined;
  /** Default: the monotonic clock of the process. */
  readonly now?: Ticks | undefined;
}

/** Holds callers to the configured rates. Refusals are 429 with `Retry-After`. */
export interface Limiter {
  /** Counts a request of that address; false when it is one too many. For what no route answers. */
  admitAddress(address: string): boolean;
  /** Stands before everything: counts by address. */
  readonly byAddress: RawRoute;
  /**
   * Stands after access control: counts by principal. Callers without credentials share no identity,
   * so that only their address counts.
   */
  readonly byPrincipal: RawRoute;
}

/** A limiter of one process. */
export function createLimiter(
  limits: FrontConfig['limits'],
  { processes = 1, now = () => performance.now() }: LimiterOptions = {},
): Limiter {
  const addresses = bucketsOf(limits.address, processes, now);
  const principals = bucketsOf(limits.principal, processes, now);
  return {
    admitAddress: (address) => addresses === undefined || takeAddress(addresses, address) === 0,
    byAddress(x) {
      if (addresses === undefined || UNLIMITED.has(x.path)) return Promise.resolve(false);
      return Promise.resolve(refuse(x, takeAddress(addresses, x.address), 'this address'));
    },
    byPrincipal(x) {
      const name = x.principal?.name ?? 'anonymous';
      if (principals === undefined || name === 'anonymous' || UNLIMITED.has(x.path)) {
        return Promise.resolve(false);
      }
      return Promise.resolve(refuse(x, principals.take(name), name));
    },
  };
}

function bucketsOf(rate: RateConfig, processes: number, now: Ticks): Buckets | undefined {
  if (rate.perSecond === 0) return undefined;
  const perSecond = rate.perSecond / processes;
  return new Buckets({ perSecond, burst: Math.max(1, Math.floor(rate.burst / processes)) }, now);
}

function takeAddress(buckets: Buckets, address: string): number {
  return buckets.take(addressKey(address));
}

/** True when the request was refused; the form of errors is that of the path. */
function refuse(x: Exchange, waitMs: number, who: string): boolean {
  if (waitMs === 0) return false;
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const error = new HttpError(
    'rate_limited',
    `too many requests from ${who}: try again after ${seconds} s`,
    { headers: { 'Retry-After': seconds.toString() } },
  );
  if (x.path !== '/v2' && !x.path.startsWith('/v2/')) throw error;
  sendOciError(x.res, toOciError(error, 'UNSUPPORTED'));
  return true;
}
