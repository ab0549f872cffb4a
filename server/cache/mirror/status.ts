import type { MirrorItem, MirrorItemKind } from './item.ts';
import type { MirrorPlan } from './planner.ts';

/** Items that are named one by one. */
const MAX_NAMED = 100;

/** Something could not be fetched ahead. */
export interface MirrorFault {
  readonly name: string;
  readonly message: string;
  readonly atMs: number;
}

/** What the region's policy wants, has and lacks. Times are milliseconds since the epoch. */
export interface MirrorStatus {
  readonly ahead: boolean;
  readonly wanted: MirrorSum;
  readonly here: MirrorSum;
  readonly lacking: MirrorSum;
  /** What the policy names beyond its part of the budget. */
  readonly beyondBudget: MirrorSum;
  /** The first 100. */
  readonly lacks: readonly { kind: MirrorItemKind; name: string; bytes: number }[];
  /** Now, or when the window opens next; null: never. */
  readonly opensMs: number | null;
  readonly open: boolean;
  /** The last thing that could not be fetched, and still is not here. */
  readonly lastError: MirrorFault | null;
}

export interface MirrorSum {
  readonly count: number;
  readonly bytes: number;
}

export interface MirrorStatusOptions {
  readonly fetchAhead: boolean;
  readonly opensMs: number | undefined;
  readonly nowMs: number;
  readonly fault: MirrorFault | undefined;
}

/** Pure. */
export function mirrorStatus(
  { items, left }: Pick<MirrorPlan, 'items' | 'left'>,
  { fetchAhead, opensMs, nowMs, fault }: MirrorStatusOptions,
): MirrorStatus {
  const lacking = items.filter(({ here }) => !here);
  return {
    ahead: fetchAhead,
    wanted: sumOf(items),
    here: sumOf(items.filter(({ here }) => here)),
    lacking: sumOf(lacking),
    beyondBudget: sumOf(left),
    lacks: lacking.slice(0, MAX_NAMED).map(({ kind, name, bytes }) => ({ kind, name, bytes })),
    opensMs: opensMs ?? null,
    open: opensMs !== undefined && opensMs <= nowMs,
    lastError: fault ?? null,
  };
}

function sumOf(items: readonly MirrorItem[]): MirrorSum {
  return { count: items.length, bytes: items.reduce((sum, { bytes }) => sum + bytes, 0) };
}
