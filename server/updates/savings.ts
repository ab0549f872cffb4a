import type { OstreeEventsRequest } from '../../delta/agent/ostree-protocol.ts';
import type { EventsRequest } from '../../delta/agent/protocol.ts';
import type { DeviceEvent } from '../../storage/catalog/fleet-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import { parseRepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ImageReader, ImageSummary } from './images.ts';
import type { OstreeFactsReader } from './ostree/facts.ts';

/** Bytes that a device fetches which takes an image whole: manifest, config and every layer. */
export function fullBytes({
  manifest,
  config,
  layers,
}: {
  readonly manifest: { readonly size: number };
  readonly config: { readonly size: number };
  readonly layers: readonly { readonly size: number }[];
}): number {
  return layers.reduce((sum, layer) => sum + layer.size, manifest.size + config.size);
}

export interface SavingsOptions {
  readonly images: Pick<ImageReader, 'read'>;
  readonly ostree: Pick<OstreeFactsReader, 'pullBytes'>;
  readonly metrics: Pick<Metrics, 'bytesSaved'>;
}

/**
 * Counts what applied updates of the decision in a report spared the network: bytes of the whole image, or of the
 * loose objects that a pull of the commit takes, less those fetched. Events that do not say their plan
 * and bytes count nothing, nor does what can't be read any more.
 */
export async function countSavings(
  options: SavingsOptions,
  report: EventsRequest | OstreeEventsRequest,
  events: readonly DeviceEvent[],
  io: IoOptions,
): Promise<void> {
  const applied = events.filter(({ type, bytes }) => type === 'applied' && bytes !== undefined);
  if (applied.length === 0) return;
  const whole = await wholeBytes(options, report, io);
  if (whole === undefined) return;
  for (const { plan, bytes = 0 } of applied) {
    if (plan !== undefined) {
      options.metrics.bytesSaved.inc({ plan }, Math.max(0, whole - bytes));
    }
  }
}

async function wholeBytes(
  { images, ostree }: SavingsOptions,
  report: EventsRequest | OstreeEventsRequest,
  io: IoOptions,
): Promise<number | undefined> {
  if (report.kind === 'ostree') {
    const { product, from, to } = report.decision;
    return ostree.pullBytes(parseRepoName(product), from, to);
  }
  const { to } = report.decision;
  const image = (await images.read(to, io)).images.find(isManifest(to));
  return image && fullBytes(image);
}

function isManifest(digest: Digest): (image: ImageSummary) => boolean {
  return ({ manifest }) => manifest.digest === digest;
}
