import { markClock, type Instant } from './account-clock.ts';
import { limitsOf } from './limits.ts';
import type { Quota } from './quota.ts';
import { PERIODS, spentBytes, type Period } from './slices.ts';
import { readUsage, type TargetSpend } from './usage-file.ts';

/** How one period of the account stands. */
export interface PeriodStanding {
  readonly period: Period;
  readonly spentBytes: number;
  /** Absent without a quota for it. */
  readonly quotaBytes?: number | undefined;
  /** When a quota that is spent leaves room again, by the wall clock. */
  readonly untilMs?: number | undefined;
}

export interface Standing {
  readonly periods: readonly PeriodStanding[];
  /** What releases on their way have cost. */
  readonly targets: readonly TargetSpend[];
}

/** How the account stands now; changes nothing. Throws `state_corrupt` for a damaged usage.json. */
export async function readStanding(path: string, quota: Quota, now: Instant): Promise<Standing> {
  const usage = await readUsage(path);
  const { atMs } = markClock(usage.clock, now);
  const limits = limitsOf(usage, atMs, { quota, reserved: true, wallMs: now.wallMs });
  const periods = PERIODS.map((period) => {
    const limit = limits.find((candidate) => candidate.period === period);
    return {
      period,
      spentBytes: spentBytes(usage.periods[period], period, atMs),
      quotaBytes: quota[period],
      ...(limit !== undefined && limit.leftBytes <= 0 ? { untilMs: limit.untilMs } : {}),
    };
  });
  return { periods, targets: usage.targets };
}
