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
import type { CheckService } from './check.ts';
import { fileEvents } from './events.ts';
import { checkSchema, eventsSchema } from './kinds.ts';
import type { OstreeCheckService } from './ostree/check.ts';
import { checkLabels, type DecideOutcome } from './outcome.ts';
import { countSavings, type SavingsOptions } from './savings.ts';
import { serverBases } from './server-bases.ts';
import { countCosts } from './update-costs.ts';

export interface DeviceHandlersOptions {
  readonly checks: CheckService;
  readonly ostreeChecks: OstreeCheckService;
  readonly catalog: Pick<Catalog, 'fleet'>;
  /** What servers are called in plans. */
  readonly servers: Pick<ServerConfig, 'publicUrl' | 'regions'>;
  readonly metrics: Pick<Metrics, 'checks' | 'checkSeconds' | 'updateBytes' | 'updateWireBytes'>;
  readonly savings: SavingsOptions;
  readonly clock: Clock;
  readonly authorize?: Access['api'] | undefined;
}

/** `POST /v1/check`. */
export async function checkForUpdate(
  { checks, ostreeChecks, servers, metrics, authorize }: DeviceHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const stopTimer = metrics.checkSeconds.startTimer();
  const deviceId = deviceOf(request);
  const cacheRegion = request.header(REGION_HEADER, 'RegionName');
  const ask = request.body(checkSchema(request.req.body));
  authorize?.(request.req, { pull: ask.product });
  const region = cacheRegion ?? ask.region;
  const from = {
    host: request.req.get('host'),
    protocol: request.req.protocol === 'https' ? ('https' as const) : ('http' as const),
    region: cacheRegion,
    cacheUrl: request.req.get(CACHE_URL_HEADER),
    publicUrl: servers.publicUrl,
  };
  const incoming = { deviceId, region, servers: serverBases(from, region, servers.regions) };
  const outcome =
    ask.kind === 'ostree'
      ? await ostreeChecks.check({ ...incoming, ask })
      : await checks.check({ ...incoming, ask }, { signal: request.signal });
  stopTimer();
  metrics.checks.inc(checkLabels(outcome));
  sendOutcome(res, outcome);
}

/** `POST /v1/decisions/{id}/events`. */
export async function reportEvents(
  { catalog, savings, metrics, clock, authorize }: DeviceHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const decisionId = request.param('id', 'DecisionId');
  const deviceId = deviceOf(request);
  const region = request.header(REGION_HEADER, 'RegionName');
  const body = request.body(eventsSchema(request.req.body));
  authorize?.(request.req, { pull: body.decision.product });
  const incoming = { decisionId, deviceId, body, region };
  const added = await fileEvents(catalog.fleet, incoming, clock);
  countCosts(metrics, added);
  await countSavings(savings, body, added, { signal: request.signal });
  res.json({ recorded: added.length });
}

/** A client ignores it (RFC 9112, 4). */
const NO_PHRASE = '';

/** Sends 200 with the decision, or 204 with the reason and when to ask again. */
function sendOutcome(res: Response, outcome: DecideOutcome): void {
  switch (outcome.kind) {
    case 'update':
      res.set('Cache-Control', 'no-store');
      res.json(outcome.decision);
      return;
    case 'none':
      // Asked once an hour by every device: each header is bytes. No cache keeps it (RFC 9110, 9.3.3).
      res.set(REASON_HEADER, outcome.reason);
      res.set('Retry-After', outcome.retryAfterSeconds.toString());
      res.writeHead(204, NO_PHRASE).end();
  }
}

function deviceOf(request: ApiRequest): string {
  return request.requiredHeader(DEVICE_HEADER, 'DeviceId', 'a device names itself with it');
}
