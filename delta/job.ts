import type { Clock } from '../storage/clock.ts';
import { CodedError, isStorageError } from '../storage/errors.ts';
import { isDeltaError } from './errors.ts';
import type { RowLease } from './row-lease.ts';

/** How a job ended; its row says the same. `lost`: another worker or the policy took the row. */
export type JobOutcome =
  | { readonly kind: 'chunked' }
  | { readonly kind: 'opaque'; readonly reason: string }
  | { readonly kind: 'published'; readonly size: number; readonly fullSize: number }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAtMs: number | undefined }
  /** The signal fired; the row is free for another worker at once (a layer) or when its lease ends. */
  | { readonly kind: 'released' }
  | { readonly kind: 'lost' };

/** When a build is tried again, and when it is given up. */
export interface JobRules {
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** A claimed row of a queue of builds. */
export interface BuildRow {
  /** Claims so far, this one included. */
  readonly attempts: number;
  /** Gives the row back: for another try at `retryAtMs`, or for none. `conflict` when its lease was lost. */
  fail(reason: string, retryAtMs: number | undefined): Promise<void>;
}

/** First retry after this long, then twice as long each time, up to an hour. */
const RETRY_MS = 10_000;
const MAX_RETRY_MS = 3_600_000;
/** Crashes and stops use up claims too, but a pair that kills its builder must end some time. */
const CLAIMS_PER_ATTEMPT = 3;

/** Gives up a row that was claimed too often; undefined for one that may be tried. */
export async function giveUpWorn(rules: JobRules, row: BuildRow): Promise<JobOutcome | undefined> {
  if (row.attempts <= rules.maxAttempts * CLAIMS_PER_ATTEMPT) return undefined;
  const reason = `given up: claimed ${row.attempts} times without an end, the builders must have crashed`;
  await row.fail(reason, undefined);
  return { kind: 'failed', reason, retryAtMs: undefined };
}

/** Ends a build that threw, and says in its row why and when it is tried again. */
export async function endBuild(
  rules: JobRules,
  row: BuildRow,
  held: RowLease,
  error: unknown,
): Promise<JobOutcome> {
  if (held.isLost || isStorageError(error, 'conflict')) return { kind: 'lost' };
  const isStopped = rules.signal?.aborted === true;
  const reason = isStopped ? 'the worker was stopped' : describe(error);
  const now = rules.clock();
  const retryMs = Math.min(RETRY_MS * 2 ** Math.max(row.attempts - 1, 0), MAX_RETRY_MS);
  const mayRetry = row.attempts < rules.maxAttempts && !isDeltaError(error, 'refused');
  const retryAtMs = isStopped ? now : mayRetry ? now + retryMs : undefined;
  try {
    await row.fail(reason, retryAtMs);
  } catch (late) {
    if (isStorageError(late, 'conflict')) return { kind: 'lost' };
    throw late;
  }
  return isStopped ? { kind: 'released' } : { kind: 'failed', reason, retryAtMs };
}

/** An error as a row keeps it. */
export function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof CodedError ? `${String(error.code)}: ` : '';
  return `${code}${text}`.slice(0, 1000);
}
