/** Spans over which a quota holds. A month is the longest there is, so that every calendar month is covered. */
export const PERIODS = ['hour', 'day', 'month'] as const;
export type Period = (typeof PERIODS)[number];

export const PERIOD_MS: Readonly<Record<Period, number>> = {
  hour: 3_600_000,
  day: 24 * 3_600_000,
  month: 31 * 24 * 3_600_000,
};

/** Bytes that were spent from `atMs` on, for one slice of a period. */
export interface Slice {
  readonly atMs: number;
  readonly bytes: number;
}

const SLICES = 24;
/** Most slices that one period can hold. */
export const MAX_SLICES = SLICES + 2;

/** Adds bytes at a time; slices that no longer count go. */
export function addBytes(
  slices: readonly Slice[],
  period: Period,
  atMs: number,
  bytes: number,
): readonly Slice[] {
  const start = Math.floor(atMs / sliceMs(period)) * sliceMs(period);
  const kept = slices.filter((slice) => slice.atMs !== start && counts(slice, period, atMs));
  const old = slices.find((slice) => slice.atMs === start)?.bytes ?? 0;
  return old + bytes === 0 ? kept : [...kept, { atMs: start, bytes: old + bytes }];
}

/**
 * Bytes spent in the period that ends now. A slice counts until the period has passed since its end, so
 * that no stretch of that length ever holds more than this says.
 */
export function spentBytes(slices: readonly Slice[], period: Period, atMs: number): number {
  return slices.reduce((sum, slice) => (counts(slice, period, atMs) ? sum + slice.bytes : sum), 0);
}

/** When no more than `bytes` will be spent in the period; `atMs` if so already. */
export function freeAtMs(
  slices: readonly Slice[],
  period: Period,
  atMs: number,
  bytes: number,
): number {
  let spent = spentBytes(slices, period, atMs);
  let freeMs = atMs;
  for (const slice of [...slices].sort((a, b) => a.atMs - b.atMs)) {
    if (spent <= bytes) break;
    if (!counts(slice, period, atMs)) continue;
    spent -= slice.bytes;
    freeMs = endMs(slice, period);
  }
  return freeMs;
}

function counts(slice: Slice, period: Period, atMs: number): boolean {
  return endMs(slice, period) > atMs;
}

function endMs(slice: Slice, period: Period): number {
  return slice.atMs + sliceMs(period) + PERIOD_MS[period];
}

function sliceMs(period: Period): number {
  return PERIOD_MS[period] / SLICES;
}
