import { createHash } from 'node:crypto';

import type { OstreeDecision } from '../../delta/agent/ostree-protocol.ts';
import type { Decision, NoUpdateReason } from '../../delta/agent/protocol.ts';

/** Who asks, when, and where bytes are to be had. */
export interface DecideEnv {
  readonly deviceId: string;
  readonly nowMs: number;
  /** Of the cache that it asks, else its own. */
  readonly region?: string | undefined;
  /** Base URLs without a slash at the end; the region's cache first, the origin last. */
  readonly servers: readonly string[];
}

/** What became of a check. */
export type Outcome<D> = { readonly kind: 'update'; readonly decision: D } | NoUpdate;

export interface NoUpdate {
  readonly kind: 'none';
  readonly reason: NoUpdateReason;
  readonly retryAfterSeconds: number;
}

/** Of images and of commits. */
export type DecideOutcome = Outcome<Decision> | Outcome<OstreeDecision>;

/**
 * How long a decision holds. Less than the hour for which a retired delta's bytes stay, so that a
 * device that keeps to it never meets a plan whose delta is gone.
 */
export const DECISION_TTL_MS = 30 * 60_000;

const RETRY_AFTER_SECONDS = {
  up_to_date: 300,
  no_release: 60,
  delta_building: 5,
  no_plan: 300,
} as const satisfies Record<NoUpdateReason, number>;

export function none(reason: NoUpdateReason): NoUpdate {
  return { kind: 'none', reason, retryAfterSeconds: RETRY_AFTER_SECONDS[reason] };
}

/** The same device asking for the same step gets the same id, from whichever server. */
export function decisionId(
  deviceId: string,
  releaseCounter: number,
  from: string | undefined,
  to: string,
): string {
  return createHash('sha256')
    .update(JSON.stringify([deviceId, releaseCounter, from ?? null, to]))
    .digest('hex')
    .slice(0, 32);
}

/** By the plan offered first, or by the reason for none. */
export function checkLabels(outcome: DecideOutcome): {
  readonly result: string;
  readonly reason: string;
} {
  return outcome.kind === 'none'
    ? { result: 'none', reason: outcome.reason }
    : { result: 'update', reason: outcome.decision.plans[0]?.kind ?? 'no_plan' };
}
