import type { Response } from 'express';

import {
  CACHE_URL_HEADER,
  DEVICE_HEADER,
  REASON_HEADER,
  REGION_HEADER,
} from '../../delta/agent/protocol.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Access } from '../auth/access.ts';
import type { ServerConfig } from '../config.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ApiRequest } from './api-request.ts';
import { blobBases } from './blob-bases.ts';
import type { CheckService } from './check.ts';
import type { DecideOutcome } from './decide.ts';
import { fileEvents } from './events.ts';
import { countSavings, type SavingsOptions } from './savings.ts';

export interface DeviceHandlersOptions {
  readonly checks: CheckService;
  readonly catalog: Pick<Catalog, 'fleet'>;
  readonly regions: ServerConfig['regions'];
  readonly metrics: Pick<Metrics, 'checks' | 'checkSeconds'>;
  readonly savings: SavingsOptions;
  readonly clock: Clock;
  readonly authorize?: Access['api'] | undefined;
}

/** `POST /v1/check`. */
export async function checkForUpdate(
  { checks, regions, metrics, authorize }: DeviceHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const stopTimer = metrics.checkSeconds.startTimer();
  const deviceId = deviceOf(request);
  const cacheRegion = request.header(REGION_HEADER, 'RegionName');
  const ask = request.body('CheckRequest');
  authorize?.(request.req, { pull: ask.product });
  const region = cacheRegion ?? ask.region;
  const from = {
    host: request.req.get('host'),
    protocol: request.req.protocol === 'https' ? ('https' as const) : ('http' as const),
    region: cacheRegion,
    cacheUrl: request.req.get(CACHE_URL_HEADER),
  };
  const outcome = await checks.check(
    { deviceId, ask, region, blobBases: blobBases(from, region, regions) },
    { signal: request.signal },
  );
  stopTimer();
  metrics.checks.inc(checkLabels(outcome));
  sendOutcome(res, outcome);
}

/** `POST /v1/decisions/{id}/events`. */
export async function reportEvents(
  { catalog, savings, clock, authorize }: DeviceHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const decisionId = request.param('id', 'DecisionId');
  const deviceId = deviceOf(request);
  const region = request.header(REGION_HEADER, 'RegionName');
  const body = request.body('EventsRequest');
  authorize?.(request.req, { pull: body.decision.product });
  const incoming = { decisionId, deviceId, body, region };
  const added = await fileEvents(catalog.fleet, incoming, clock);
  await countSavings(savings, body.decision.to, added, { signal: request.signal });
  res.json({ recorded: added.length });
}

/** Sends 200 with the decision, or 204 with the reason and when to ask again. */
function sendOutcome(res: Response, outcome: DecideOutcome): void {
  res.set('Cache-Control', 'no-store');
  switch (outcome.kind) {
    case 'update':
      res.json(outcome.decision);
      return;
    case 'none':
      res.set(REASON_HEADER, outcome.reason);
      res.set('Retry-After', outcome.retryAfterSeconds.toString());
      res.status(204).end();
  }
}

/** By the plan offered first, or by the reason for none. */
function checkLabels(outcome: DecideOutcome): { readonly result: string; readonly reason: string } {
  return outcome.kind === 'none'
    ? { result: 'none', reason: outcome.reason }
    : { result: 'update', reason: outcome.decision.plans[0]?.kind ?? 'no_plan' };
}

function deviceOf(request: ApiRequest): string {
  return request.requiredHeader(DEVICE_HEADER, 'DeviceId', 'a device names itself with it');
}
