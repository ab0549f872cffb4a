import type { DeviceKind } from '../../storage/catalog/fleet-catalog.ts';

/**
 * What the body of a check or a report is about: OSTree's commits if it says so, images otherwise. It
 * chooses the schema that the body must follow, so nothing is known of the body yet.
 */
function kindOf(body: unknown): DeviceKind {
  const isOstree =
    typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'ostree';
  return isOstree ? 'ostree' : 'oci';
}

/** The schema of a check. */
export function checkSchema(body: unknown): 'CheckRequest' | 'OstreeCheckRequest' {
  return kindOf(body) === 'oci' ? 'CheckRequest' : 'OstreeCheckRequest';
}

/** The schema of a report. */
export function eventsSchema(body: unknown): 'EventsRequest' | 'OstreeEventsRequest' {
  return kindOf(body) === 'oci' ? 'EventsRequest' : 'OstreeEventsRequest';
}
