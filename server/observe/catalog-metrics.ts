import { Gauge, Registry } from 'prom-client';

import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaCoverage, DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { DeviceCount } from '../../storage/catalog/fleet-catalog.ts';

/** Series of devices in one scrape; the smallest groups are added up beyond it. */
const MAX_DEVICE_SERIES = 500;
/** Hexadecimal digits of an image's digest, or of a commit, that name a version. */
const VERSION_DIGITS = 12;

/**
 * Figures that the catalog knows, read now, in the text exposition format. They are the same in every
 * process over one catalog, so they are not counted but asked for, in a registry of their own.
 */
export async function catalogMetrics(
  catalog: Pick<Catalog, 'deltas' | 'ostreeDeltas' | 'fleet'>,
): Promise<string> {
  const [images, commits, imageCoverage, commitCoverage, devices] = await Promise.all([
    catalog.deltas.counts(),
    catalog.ostreeDeltas.counts(),
    catalog.deltas.coverage(),
    catalog.ostreeDeltas.coverage(),
    catalog.fleet.counts(),
  ]);
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'rivulet_delta_queue_depth',
    help: 'Deltas, of images and of OSTree commits, that are pending, building or proving.',
    registers,
  }).set(queued(images) + queued(commits));
  const ratio = new Gauge({
    name: 'rivulet_delta_coverage_ratio',
    help: 'Share of the wanted deltas that are published, or rejected since the whole is smaller.',
    labelNames: ['product'],
    registers,
  });
  for (const [product, { wanted, done }] of byProduct([...imageCoverage, ...commitCoverage])) {
    ratio.set({ product }, done / wanted);
  }
  addDevices(registry, devices);
  return registry.metrics();
}

/** A name may be that of images and of commits. */
function byProduct(
  rows: readonly DeltaCoverage[],
): ReadonlyMap<string, Omit<DeltaCoverage, 'repo'>> {
  const products = new Map<string, Omit<DeltaCoverage, 'repo'>>();
  for (const { repo, wanted, done } of rows) {
    const known = products.get(repo) ?? { wanted: 0, done: 0 };
    products.set(repo, { wanted: known.wanted + wanted, done: known.done + done });
  }
  return products;
}

function queued({ pending, building, proving }: Readonly<Record<DeltaState, number>>): number {
  return pending + building + proving;
}

function addDevices(registry: Registry, counts: readonly DeviceCount[]): void {
  const gauge = new Gauge({
    name: 'rivulet_devices',
    help: 'Devices by the image or OSTree commit that they run (shortened; none before the first install); commits have no arch.',
    labelNames: ['product', 'version', 'region', 'arch'],
    registers: [registry],
  });
  const largest = counts.toSorted((a, b) => b.devices - a.devices);
  for (const [index, { product, current, region, platform = '', devices }] of largest.entries()) {
    const isKept = index < MAX_DEVICE_SERIES;
    const labels = isKept
      ? { product, version: versionOf(current), region, arch: platform }
      : { product: 'other', version: 'other', region: 'other', arch: 'other' };
    gauge.inc(labels, devices);
  }
}

function versionOf(current: DeviceCount['current']): string {
  return current?.slice(current.indexOf(':') + 1).slice(0, VERSION_DIGITS) ?? 'none';
}
