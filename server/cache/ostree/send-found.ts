import type { Clock } from '../../../storage/clock.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { sendDocument, type OstreeDocument } from '../../ostree/send-document.ts';
import { setAge } from '../send-manifest.ts';

export interface SendFoundOptions {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'cacheRequests'>;
}

/** A file that may change, and how old it is. */
export interface FoundBytes extends Omit<OstreeDocument, 'bytes'> {
  /** Undefined: there is none. */
  readonly bytes: Buffer | undefined;
  /** Seconds since the origin last confirmed it, when it could not be asked now. */
  readonly staleSeconds: number | undefined;
  /** Why there is none, where it is not the origin that said so. */
  readonly why?: string | undefined;
}

/** Answers GET or HEAD with a file that may change; `not_found` with its age as well. */
export function sendFound(
  x: Exchange,
  { bytes, staleSeconds, why, ...document }: FoundBytes,
  what: string,
  { clock, metrics }: SendFoundOptions,
): void {
  if (staleSeconds !== undefined) metrics.cacheRequests.inc({ result: 'stale' });
  setAge(x.res, staleSeconds);
  if (bytes === undefined) {
    const reason = why === undefined ? '' : `: ${why}`;
    throw new HttpError('not_found', `there is no ${what}${reason}`);
  }
  sendDocument(x, { ...document, bytes }, clock);
}
