import type { Digest } from '../../storage/digest.ts';
import type { Fetcher } from './fetcher.ts';
import type { ReleaseImage } from './image.ts';
import type { LayerFinder } from './layer-finder.ts';
import type { DevicePaths } from './paths.ts';
import type { Decision } from './protocol.ts';
import type { SlotImage } from './slot.ts';
import type { SlotWriter } from './slot-writer.ts';

/** What every plan works with. */
export interface PlanEnv {
  readonly paths: DevicePaths;
  readonly decision: Decision;
  readonly fetcher: Fetcher;
  /** What runs now. */
  readonly base: SlotImage | undefined;
  /** Layers of both slots. */
  readonly layers: LayerFinder;
  readonly signal: AbortSignal;
  /**
   * Throws `no_space` unless that many bytes, downloads and new layers together, will fit; what is
   * here already of either counts. Called before the download, which may cost money.
   */
  readonly needRoom: (bytes: number) => Promise<void>;
  /** Bytes of new layers made so far; `total` is 0 where it is not known. */
  readonly onApply: (done: number, total: number) => void;
}

/** A plan whose bytes are all here. */
export interface FetchedPlan {
  readonly image: ReleaseImage;
  /** Bytes that applying will add to the disk, as far as it is known. */
  readonly outputBytes: number;
  /** Makes the layers in the slot; may be called again after a crash. */
  apply(writer: SlotWriter): Promise<void>;
  close(): Promise<void>;
}

/** A layer's uncompressed bytes, where the decision's chunks plan tells them. */
export function rawSize(decision: Decision, diffId: Digest): number | undefined {
  for (const plan of decision.plans) {
    if (plan.kind !== 'chunks') continue;
    const layer = plan.layers.find((candidate) => candidate.diffId === diffId);
    if (layer !== undefined) return layer.rawSize;
  }
  return undefined;
}
