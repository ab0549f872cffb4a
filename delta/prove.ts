import { DeltaError } from './errors.ts';
import type { Image } from './image.ts';
import type { LayerSet } from './layers.ts';

export async function proveImageDelta(options: {
  /** The delta file. */
  readonly delta: string;
  readonly from: LayerSet;
  readonly to: Image;
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((fraction: number) => void) | undefined;
}): Promise<{ readonly applyMs: number }> {
  await Promise.resolve();
  throw new DeltaError('corrupt', `not yet ${options.delta}`);
}
