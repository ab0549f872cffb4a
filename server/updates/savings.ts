import type { DeviceEvent } from '../../storage/catalog/fleet-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ImageReader, ImageSummary } from './images.ts';

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
  readonly metrics: Pick<Metrics, 'bytesSaved'>;
}

/**
 * Counts what applied updates to `to` spared the network. Events that do not say their plan and
 * bytes count nothing, nor does an image that can't be read any more.
 */
export async function countSavings(
  { images, metrics }: SavingsOptions,
  to: Digest,
  events: readonly DeviceEvent[],
  options: IoOptions,
): Promise<void> {
  const applied = events.filter(({ type, bytes }) => type === 'applied' && bytes !== undefined);
  if (applied.length === 0) return;
  const image = (await images.read(to, options)).images.find(isManifest(to));
  if (image === undefined) return;
  for (const { plan, bytes = 0 } of applied) {
    if (plan !== undefined) metrics.bytesSaved.inc({ plan }, Math.max(0, fullBytes(image) - bytes));
  }
}

function isManifest(digest: Digest): (image: ImageSummary) => boolean {
  return ({ manifest }) => manifest.digest === digest;
}
