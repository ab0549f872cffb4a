import type { DecisionRow, DeviceRow, FleetCatalog } from '../../storage/catalog/fleet-catalog.ts';

/** A device that is unchanged is written again only after this long: a check costs no disk sync. */
const SEEN_AGAIN_MS = 60_000;

/** Files what checks tell, and writes only what is new: reading is cheaper than a synced write. */
export class FleetFiles {
  readonly #fleet: FleetCatalog;

  constructor(fleet: FleetCatalog) {
    this.#fleet = fleet;
  }

  async seen(device: DeviceRow): Promise<void> {
    const before = await this.#fleet.device(device.id, device.kind);
    if (before === undefined || isChanged(before, device)) await this.#fleet.seen(device);
  }

  async decided(decision: DecisionRow): Promise<void> {
    // Already filed by an earlier check of the same step.
    if ((await this.#fleet.decision(decision.id)) === undefined) {
      await this.#fleet.decide(decision);
    }
  }
}

function isChanged(before: DeviceRow, now: DeviceRow): boolean {
  return (
    before.product !== now.product ||
    before.channel !== now.channel ||
    platformOf(before) !== platformOf(now) ||
    before.region !== now.region ||
    before.current !== now.current ||
    now.seenMs - before.seenMs >= SEEN_AGAIN_MS
  );
}

function platformOf(device: DeviceRow): string | undefined {
  return device.kind === 'oci' ? device.platform : undefined;
}
