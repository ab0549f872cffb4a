import type { ResultEvent } from './output.ts';
import type { RunState } from './state.ts';

/** How a run ended, with what it cost. */
export function resultOf(
  { plan, cost }: RunState,
  end: Pick<ResultEvent, 'outcome' | 'from' | 'to' | 'reason'>,
): ResultEvent {
  return {
    event: 'result',
    ...end,
    plan,
    bytes: cost?.bytes ?? 0,
    wireBytes: cost?.wireBytes,
    fetchMs: cost?.fetchMs ?? 0,
    applyMs: cost?.applyMs ?? 0,
    resumedAt: cost?.resumedAt,
  };
}
