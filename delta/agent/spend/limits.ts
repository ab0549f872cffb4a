import type { Quota } from './quota.ts';
import { freeAtMs, PERIODS, spentBytes, type Period } from './slices.ts';
import type { Usage } from './usage-file.ts';

/** One limit on bytes and how it stands. */
export interface Limit {
  readonly code: 'byte_ceiling' | 'quota';
  /** Of a quota. */
  readonly period?: Period | undefined;
  /** For messages. */
  readonly name: string;
  readonly limitBytes: number;
  readonly spentBytes: number;
  /** May be below 0. */
  readonly leftBytes: number;
  /** When a quota leaves room again, by the wall clock; undefined while it does. */
  readonly untilMs?: number | undefined;
}

export interface LimitsAsked {
  readonly quota: Quota;
  /** What the release in hand may cost, and has cost. */
  readonly ceiling?: { readonly bytes: number; readonly spent: number } | undefined;
  /** Leaves a part of every limit to checks and reports. */
  readonly reserved: boolean;
  /** What the wall clock says at `atMs`. */
  readonly wallMs: number;
}

const RESERVE_BYTES = 16 * 1024;
const RESERVE_SHARE = 8;
/** A quota goes on when this share of it is free. */
const REOPEN_SHARE = 8;

/** The limit that leaves least at the account's time; undefined when there is none. */
export function tightest(usage: Usage, atMs: number, asked: LimitsAsked): Limit | undefined {
  return limitsOf(usage, atMs, asked).reduce<Limit | undefined>(
    (least, limit) => (least === undefined || limit.leftBytes < least.leftBytes ? limit : least),
    undefined,
  );
}

/** Every limit that is set: the ceiling first, then the quota's periods, the shortest first. */
export function limitsOf(usage: Usage, atMs: number, asked: LimitsAsked): readonly Limit[] {
  const { quota, ceiling, wallMs } = asked;
  const reserve = (bytes: number): number =>
    asked.reserved ? Math.min(RESERVE_BYTES, Math.floor(bytes / RESERVE_SHARE)) : 0;
  const limits: Limit[] = [];
  if (ceiling !== undefined) {
    limits.push({
      code: 'byte_ceiling',
      name: `the ceiling of ${ceiling.bytes} bytes for this release`,
      limitBytes: ceiling.bytes,
      spentBytes: ceiling.spent,
      leftBytes: ceiling.bytes - ceiling.spent - reserve(ceiling.bytes),
    });
  }
  for (const period of PERIODS) {
    const bytes = quota[period];
    if (bytes === undefined) continue;
    const slices = usage.periods[period];
    const spent = spentBytes(slices, period, atMs);
    const open = bytes - reserve(bytes) - Math.floor(bytes / REOPEN_SHARE);
    const freeMs = freeAtMs(slices, period, atMs, open);
    limits.push({
      code: 'quota',
      period,
      name: `the quota of ${bytes} bytes ${period === 'hour' ? 'an' : 'a'} ${period}`,
      limitBytes: bytes,
      spentBytes: spent,
      leftBytes: bytes - spent - reserve(bytes),
      ...(freeMs > atMs ? { untilMs: wallMs + freeMs - atMs } : {}),
    });
  }
  return limits;
}
