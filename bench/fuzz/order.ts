import type { Finding } from './execute.ts';

/** Executions `first`, `first + step`, ... below `end` of a target. */
export interface FuzzOrder {
  readonly target: string;
  readonly seed: number;
  readonly first: number;
  readonly step: number;
  readonly end: number;
}

export interface FuzzResult {
  readonly executions: number;
  /** Of these ended with a coded error. */
  readonly refused: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
}

/** What a thread is given: `progress` holds the number that runs, for the one who watches it. */
export type ThreadOrder = FuzzOrder & { readonly progress: SharedArrayBuffer };

/** One execution whose inputs are wanted, whatever comes of it: each is posted as {@link Captured}. */
export interface CaptureOrder {
  readonly target: string;
  readonly seed: number;
  /** The execution's number. */
  readonly capture: number;
}

export interface Captured {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** More of the same tell nothing new. */
export const MAX_FINDINGS = 20;
