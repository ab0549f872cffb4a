import type { Digest } from '../../../storage/digest.ts';
import { renameDurable } from '../durable.ts';
import { DeviceError } from '../errors.ts';
import { MAX_QUEUED_BYTES } from '../read-body.ts';
import { markClock, type ClockMark, type Instant } from './account-clock.ts';
import { tightest, type Limit } from './limits.ts';
import type { Quota } from './quota.ts';
import { addBytes } from './slices.ts';
import {
  EMPTY_USAGE,
  mapPeriods,
  readUsage,
  targetBytes,
  withTarget,
  writeUsage,
  type Usage,
} from './usage-file.ts';

export interface BudgetEnv {
  /** usage.json. */
  readonly path: string;
  readonly quota: Quota;
  /** Bytes that went over the wire in this run, either way, heads and TLS included. */
  readonly wireBytes: () => number;
  readonly instant: () => Instant;
  readonly onWarning: (message: string) => void;
}

/** Downloads leave a reserve to checks and reports. */
type Purpose = 'fetch' | 'control';

/** Most that is granted, and so on record as spent, before it is. */
const MAX_GRANT_BYTES = 1024 * 1024;
/** So much is on record before the next bytes are read from a connection. */
const AHEAD_BYTES = MAX_QUEUED_BYTES + 64 * 1024;
/** A grant is this share of the tightest limit, so that a kill costs no more of it. */
const GRANT_SHARE = 16;
/** Less than that is not worth a request. */
const MIN_FETCH_BYTES = 4096;
/** A handshake, the request's head and the answer's. */
const REQUEST_BYTES = 6144;
/** One byte of TLS records and TCP's second tries in so many of the body. */
const BODY_PER_OVERHEAD = 256;

/**
 * What a device may spend on the wire. Bytes are granted, durably, before they are spent: a run that
 * is killed has at worst been charged for a grant that it did not use. Limits are the quota and, for
 * one release, the ceiling that its decision and the device's own option give it.
 */
export class Budget {
  readonly #env: BudgetEnv;
  /** What is settled: no grant is in it. */
  #usage: Usage;
  #clock: ClockMark;
  /** Of the wire's bytes in this run those that are in the usage. */
  #settledBytes = 0;
  #grantedBytes = 0;
  #target: { readonly digest: Digest; readonly ceiling: number | undefined } | undefined;

  private constructor(env: BudgetEnv, usage: Usage) {
    this.#env = env;
    this.#usage = usage;
    this.#clock = markClock(usage.clock, env.instant());
  }

  /** Opens what earlier runs recorded; a damaged file is put aside and the account begins anew. */
  static async open(env: BudgetEnv): Promise<Budget> {
    try {
      return new Budget(env, await readUsage(env.path));
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      await renameDurable(env.path, `${env.path}.corrupt`);
      env.onWarning(`${error.message}; it is kept as ${env.path}.corrupt, quotas begin anew`);
      return new Budget(env, EMPTY_USAGE);
    }
  }

  /** From here on bytes count for a release too, which may cost `ceiling` in all. */
  begin(digest: Digest, ceiling: number | undefined): void {
    this.#take();
    this.#target = { digest, ceiling };
  }

  /** Drops what a release has cost: it is installed, or its owner forgives it. */
  forget(digest?: Digest): void {
    this.#take();
    const targets =
      digest === undefined ? [] : this.#usage.targets.filter((target) => target.digest !== digest);
    this.#usage = { ...this.#usage, targets };
    if (digest === undefined || this.#target?.digest === digest) this.#target = undefined;
  }

  /** Bytes on the wire that the release has cost, all runs together. */
  get targetBytes(): number {
    this.#take();
    return this.#target === undefined ? 0 : targetBytes(this.#usage, this.#target.digest);
  }

  /** The limit that leaves least; undefined without any. */
  #limit(purpose: Purpose): Limit | undefined {
    this.#take();
    const { wallMs } = this.#env.instant();
    const ceiling = this.#target?.ceiling;
    return tightest(this.#usage, this.#clock.atMs, {
      quota: this.#env.quota,
      ceiling: ceiling === undefined ? undefined : { bytes: ceiling, spent: this.targetBytes },
      reserved: purpose === 'fetch',
      wallMs,
    });
  }

  /**
   * How many of a body's `bytes` may be asked for now. Throws `byte_ceiling` unless the whole fits
   * under the ceiling, for a part of it would be money lost, and `quota` when next to nothing is left.
   */
  room(bytes: number): number {
    const limit = this.#limit('fetch');
    if (limit === undefined || wireBytesOf(bytes) <= limit.leftBytes) return bytes;
    const some = Math.floor((limit.leftBytes - REQUEST_BYTES) * (1 - 1 / BODY_PER_OVERHEAD));
    if (limit.code === 'byte_ceiling' || some < Math.min(bytes, MIN_FETCH_BYTES)) {
      throw limitError(limit, bytes);
    }
    return Math.min(bytes, some);
  }

  /** Throws `byte_ceiling` when `bytes` more of bodies, in so many requests, go over the ceiling. */
  plan(bytes: number, requests: number): void {
    const limit = this.#limit('fetch');
    const needed = wireBytesOf(bytes) + Math.max(0, requests - 1) * (REQUEST_BYTES / 4);
    if (limit?.code === 'byte_ceiling' && needed > limit.leftBytes) throw limitError(limit, bytes);
  }

  /** Throws what stands against `bytes` more of a body. */
  refuse(bytes: number): never {
    const limit = this.#limit('fetch');
    if (limit === undefined)
      throw new DeviceError('internal', 'bytes were refused without a limit');
    throw limitError(limit, bytes);
  }

  /** Puts `bytes` more of checks or reports on record before they are spent, if there is a limit. */
  async cover(bytes: number): Promise<void> {
    const limit = this.#limit('control');
    if (limit === undefined || bytes <= this.#grantedBytes) return;
    if (limit.leftBytes < bytes) throw limitError(limit, bytes);
    await this.#grant(bytes);
  }

  /** Puts the next bytes of a download on record before they are read; throws when none may be. */
  async coverFetch(): Promise<void> {
    if (this.#unsettled() + AHEAD_BYTES <= this.#grantedBytes) return;
    const limit = this.#limit('fetch');
    const left = limit?.leftBytes ?? Infinity;
    if (limit !== undefined && left <= 0) throw limitError(limit, 1);
    if (this.#grantedBytes >= Math.min(AHEAD_BYTES, left)) return;
    const share = Math.floor((limit?.limitBytes ?? Infinity) / GRANT_SHARE);
    const step = Math.min(MAX_GRANT_BYTES, Math.max(AHEAD_BYTES, share));
    await this.#grant(Math.min(step, left));
  }

  /** Records what was really spent; what was granted beyond it is free again. */
  async settle(): Promise<void> {
    this.#take();
    this.#grantedBytes = 0;
    await this.#write(this.#usage);
  }

  #unsettled(): number {
    return this.#env.wireBytes() - this.#settledBytes;
  }

  /** Moves the bytes since the last call into the usage in memory; what is granted shrinks by them. */
  #take(): void {
    this.#clock = markClock(this.#clock, this.#env.instant());
    const bytes = this.#unsettled();
    if (bytes === 0) return;
    this.#usage = this.#charged(bytes);
    this.#settledBytes += bytes;
    this.#grantedBytes = Math.max(0, this.#grantedBytes - bytes);
  }

  #charged(bytes: number): Usage {
    const { periods } = this.#usage;
    const usage = {
      ...this.#usage,
      periods: mapPeriods((period) => addBytes(periods[period], period, this.#clock.atMs, bytes)),
    };
    if (this.#target === undefined) return usage;
    const { digest } = this.#target;
    return withTarget(usage, digest, targetBytes(usage, digest) + bytes);
  }

  async #grant(bytes: number): Promise<void> {
    this.#grantedBytes = bytes;
    await this.#write(this.#charged(bytes));
  }

  async #write(usage: Usage): Promise<void> {
    await writeUsage(this.#env.path, { ...usage, clock: this.#clock });
  }
}

/** Bytes on the wire that a body of `bytes` takes on a connection of its own, rather too many. */
export function wireBytesOf(bytes: number): number {
  return bytes === 0 ? 0 : bytes + Math.ceil(bytes / BODY_PER_OVERHEAD) + REQUEST_BYTES;
}

function limitError(limit: Limit, bytes: number): DeviceError {
  const { code, name, spentBytes, untilMs } = limit;
  const when = untilMs === undefined ? '' : `; it goes on at ${new Date(untilMs).toISOString()}`;
  const advice =
    code === 'byte_ceiling'
      ? '; what is here stays, "update --retry" forgives what was spent'
      : when;
  return new DeviceError(
    code,
    `${name} leaves no room for ${bytes} bytes more, ${spentBytes} are spent${advice}`,
    { detail: { spentBytes, ...(untilMs === undefined ? {} : { untilMs }) } },
  );
}
