import type { DeviceEvent } from '../../storage/catalog/fleet-catalog.ts';
import type { Metrics } from '../observe/metrics.ts';

/**
 * Counts what updates that ended healthy have cost, as devices told: bodies, and all on the wire with the
 * tries that failed before. Devices that count no bytes on the wire are in neither, so that the two compare.
 */
export function countCosts(
  metrics: Pick<Metrics, 'updateBytes' | 'updateWireBytes'>,
  events: readonly DeviceEvent[],
): void {
  for (const { type, plan, bytes, wireBytes } of events) {
    if (type !== 'healthy' || plan === undefined || wireBytes === undefined) continue;
    metrics.updateBytes.inc({ plan }, bytes ?? 0);
    metrics.updateWireBytes.inc({ plan }, wireBytes);
  }
}
