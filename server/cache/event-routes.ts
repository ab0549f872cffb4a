import type { OstreeEventsRequest } from '../../delta/agent/ostree-protocol.ts';
import { DEVICE_HEADER, type EventsRequest } from '../../delta/agent/protocol.ts';
import type { Clock } from '../../storage/clock.ts';
import { isStorageError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { readJson } from '../http/json-body.ts';
import type { Contract } from '../http/validate.ts';
import { sendJson } from '../oci/respond.ts';
import { eventsSchema } from '../updates/kinds.ts';
import { cameBy } from './came-by.ts';
import { answerV1 } from './failure.ts';
import { requireHeader, requireText } from './json-request.ts';
import type { LiveTracker } from './live.ts';
import { sendOriginAnswer, type OriginApi } from './origin-api.ts';
import type { ReportSender } from './report-sender.ts';

const PATH = /^\/v1\/decisions\/([^/]+)\/events$/;

export interface EventRouteOptions {
  readonly origin: OriginApi;
  readonly reports: ReportSender;
  readonly live: LiveTracker;
  readonly contract: Contract;
  readonly clock: Clock;
}

/**
 * `POST /v1/decisions/{id}/events`: the origin's answer; 202 once the report is durable here when
 * the origin is gone, or when earlier reports still wait for it.
 */
export function createEventRoute(options: EventRouteOptions): RawRoute {
  return async (x) => {
    const match = PATH.exec(x.path);
    if (match === null) return false;
    x.route = '/v1/decisions/{id}/events';
    if (x.req.method !== 'POST') {
      throw new HttpError('method_not_allowed', 'a report is a POST', {
        headers: { Allow: 'POST' },
      });
    }
    await answerV1(x, () => report(x, options, match[1] ?? ''));
    return true;
  };
}

async function report(x: Exchange, options: EventRouteOptions, id: string): Promise<void> {
  const { origin, reports, contract, clock } = options;
  const decision = requireText(contract, 'the decision id', 'DecisionId', id);
  const device = requireHeader(x, contract, DEVICE_HEADER, 'DeviceId');
  const { bytes, value } = await readJson(x);
  const body = contract.check(eventsSchema(value), value);
  await noteLive(options.live, body);
  const { region } = cameBy(x, contract);
  if (reports.queued === 0) {
    try {
      const { signal } = x;
      const answer = await origin.report(decision, { device, region, body: bytes, signal });
      sendOriginAnswer(x.res, answer);
      return;
    } catch (error) {
      if (!isStorageError(error, 'unavailable')) throw error;
    }
  }
  await reports.enqueue({ decision, device, region, body: bytes, createdMs: clock() });
  sendJson(x.res, 202, { recorded: 0, queued: body.events.length });
}

/** A device that reports `healthy` runs the target now: its next delta may be fetched ahead. */
async function noteLive(
  live: LiveTracker,
  report: EventsRequest | OstreeEventsRequest,
): Promise<void> {
  const { events } = report;
  if (!events.some(({ type }) => type === 'healthy')) return;
  if (report.kind === 'ostree') {
    const { product: repo, channel: ref, to: checksum } = report.decision;
    await live.seenCommit({ repo, ref, checksum });
    return;
  }
  const { decision } = report;
  const { product, channel, platform, to } = decision;
  await live.seen({ product, channel, platform, current: to });
}
