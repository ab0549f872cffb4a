import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';

import type { Clock } from '../../../storage/clock.ts';

/** What a machine's clocks say at one moment. */
export interface Instant {
  /** Milliseconds since the epoch: may jump either way. */
  readonly wallMs: number;
  /** Milliseconds since the boot: never jumps. */
  readonly uptimeMs: number;
  readonly bootId: string;
}

/** Where the account's own time stood, and what the clocks said then. */
export interface ClockMark {
  /** Milliseconds of the account, from 0 at its beginning. */
  readonly atMs: number;
  readonly bootId: string;
  readonly uptimeMs: number;
  /** The latest time that the wall clock was believed. */
  readonly wallMs: number;
  /** Boots in a row whose wall clock stood before that. */
  readonly behind: number;
}

/** Most that a boot may add for the time in which the machine was off. */
export const MAX_OFF_MS = 24 * 3_600_000;
/** After so many boots in a row behind the latest time, what the clock says is believed. */
export const MAX_BEHIND = 8;

/**
 * The account's time. Within a boot only the uptime counts, so that a wall clock that jumps changes
 * nothing. Time off is what the wall clock gained over the latest time it ever said, at most a day a
 * boot: ten years ahead give one day, and going back gives none, while time that the machine is on
 * always counts, so that no quota stays shut for ever.
 */
export function markClock(mark: ClockMark | undefined, now: Instant): ClockMark {
  const { bootId, uptimeMs, wallMs } = now;
  if (mark === undefined) return { atMs: 0, bootId, uptimeMs, wallMs, behind: 0 };
  if (mark.bootId === bootId) {
    const onMs = Math.max(0, uptimeMs - mark.uptimeMs);
    return {
      ...mark,
      atMs: mark.atMs + onMs,
      uptimeMs: Math.max(uptimeMs, mark.uptimeMs),
      wallMs: Math.max(wallMs, mark.wallMs),
      behind: wallMs >= mark.wallMs ? 0 : mark.behind,
    };
  }
  const isBehind = wallMs < mark.wallMs;
  const behind = isBehind ? mark.behind + 1 : 0;
  const offMs = Math.min(MAX_OFF_MS, Math.max(0, wallMs - mark.wallMs));
  const isBelieved = !isBehind || behind >= MAX_BEHIND;
  return {
    atMs: mark.atMs + Math.max(offMs, uptimeMs),
    bootId,
    uptimeMs,
    wallMs: isBelieved ? wallMs : mark.wallMs,
    behind: isBelieved ? 0 : behind,
  };
}

/** Reads the clocks of this machine. */
export async function openInstant(clock: Clock): Promise<() => Instant> {
  const bootId = await readBootId();
  return () => ({ wallMs: clock(), uptimeMs: Math.floor(uptime() * 1000), bootId });
}

async function readBootId(): Promise<string> {
  if (process.platform !== 'linux') return 'unknown';
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim().slice(0, 64);
}
