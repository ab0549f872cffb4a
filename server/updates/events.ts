import type { OstreeEventsRequest } from '../../delta/agent/ostree-protocol.ts';
import type { EventsRequest } from '../../delta/agent/protocol.ts';
import type {
  DecisionRow,
  DeviceEvent,
  DeviceRow,
  FleetCatalog,
} from '../../storage/catalog/fleet-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { parseOstreeRef } from '../../storage/ostree/ref-name.ts';
import { HttpError } from '../http/errors.ts';

export interface IncomingEvents {
  readonly decisionId: string;
  readonly deviceId: string;
  readonly body: EventsRequest | OstreeEventsRequest;
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
    known.kind !== (body.kind ?? 'oci') ||
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
  incoming: IncomingEvents,
  nowMs: number,
): Promise<void> {
  const { device, decision } = toldRows(incoming, nowMs);
  if ((await fleet.device(device.id, device.kind)) === undefined) await fleet.seen(device);
  await fleet.decide(decision);
}

/** The rows that the report stands for. */
function toldRows(
  { decisionId, deviceId, body, region }: IncomingEvents,
  nowMs: number,
): { readonly device: DeviceRow; readonly decision: DecisionRow } {
  const { decision } = body;
  const product = parseRepoName(decision.product);
  const place = { id: deviceId, product, region: region ?? decision.region ?? '', seenMs: nowMs };
  const made = { id: decisionId, deviceId, product, createdMs: nowMs };
  if (body.kind === 'ostree') {
    const { from, to } = body.decision;
    const channel = parseOstreeRef(decision.channel);
    return {
      device: { ...place, kind: 'ostree', channel, current: from },
      decision: { ...made, kind: 'ostree', from, to },
    };
  }
  const { platform, from, to } = body.decision;
  const channel = parseTag(decision.channel);
  return {
    device: { ...place, kind: 'oci', channel, platform, current: from },
    decision: { ...made, kind: 'oci', from, to },
  };
}
