import type { EventsRequest } from '../../delta/agent/protocol.ts';
import type { DeviceEvent, FleetCatalog } from '../../storage/catalog/fleet-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { HttpError } from '../http/errors.ts';

export interface IncomingEvents {
  readonly decisionId: string;
  readonly deviceId: string;
  readonly body: EventsRequest;
  /** Of the cache that forwards; before the body's. */
  readonly region: string | undefined;
}

/**
 * Files what a device reports; returns the events that were new. A decision or device that this
 * server never saw, because a cache answered alone, is filed from what the report repeats. Throws
 * `conflict` when the decision is known as another device's or leads elsewhere.
 */
export async function fileEvents(
  fleet: FleetCatalog,
  incoming: IncomingEvents,
  clock: Clock,
): Promise<readonly DeviceEvent[]> {
  const { decisionId, deviceId, body } = incoming;
  const { decision, events } = body;
  const known = await fleet.decision(decisionId);
  if (known === undefined) {
    await fileUnknown(fleet, incoming, clock());
  } else if (
    known.deviceId !== deviceId ||
    known.product !== decision.product ||
    known.from !== decision.from ||
    known.to !== decision.to
  ) {
    throw new HttpError(
      'conflict',
      `decision ${decisionId} is not ${deviceId}'s step to ${decision.to}: report under the id that was given with it`,
    );
  }
  const added = new Set(await fleet.report(decisionId, events));
  // Of two events under one number the first was filed.
  return events.filter(({ seq }) => added.delete(seq));
}

async function fileUnknown(
  fleet: FleetCatalog,
  { decisionId, deviceId, body: { decision }, region }: IncomingEvents,
  nowMs: number,
): Promise<void> {
  const product = parseRepoName(decision.product);
  if ((await fleet.device(deviceId)) === undefined) {
    await fleet.seen({
      id: deviceId,
      product,
      channel: parseTag(decision.channel),
      platform: decision.platform,
      region: region ?? decision.region ?? '',
      current: decision.from,
      seenMs: nowMs,
    });
  }
  await fleet.decide({
    id: decisionId,
    deviceId,
    product,
    from: decision.from,
    to: decision.to,
    createdMs: nowMs,
  });
}
