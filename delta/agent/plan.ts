import type { Digest } from '../../storage/digest.ts';
import type { Fetcher } from './fetcher.ts';
import type { ReleaseImage } from './image.ts';
import type { LayerFinder } from './layer-finder.ts';
import type { DevicePaths } from './paths.ts';
import type { Decision } from './protocol.ts';
import type { SlotImage } from './slot.ts';
import type { SlotWriter } from './slot-writer.ts';
import type { PassingBuffers } from '../../storage/passing-buffers.ts';
import type { SpaceGuard } from './space.ts';

/** What a plan will take, as far as it is known before its download. */
export interface PlanNeeds {
  /** On the disk: downloads and new layers together; what is here already of either counts. */
  readonly diskBytes: number;
  /** Bodies that are yet to come, and in how many requests. */
  readonly fetchBytes: number;
  readonly requests: number;
}

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
   * Throws `no_space` or `byte_ceiling` unless the device has what the plan will take. Called before
   * the download, which may cost money.
   */
  readonly need: (needs: PlanNeeds) => Promise<void>;
  /** Holds new layers to the floor of the disk while they are written. */
  readonly space: SpaceGuard;
  readonly buffers: PassingBuffers;
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

/**
 * Bytes of the layers that the target has and the running release has not, where the decision's chunks
 * plan tells them; 0 where it does not.
 */
export function newLayerBytes({ decision, base }: Pick<PlanEnv, 'decision' | 'base'>): number {
  const have = new Set(base?.image.diffIds);
  const chunks = decision.plans.find((plan) => plan.kind === 'chunks');
  const fresh = new Map(
    (chunks?.layers ?? []).map(({ diffId, rawSize: bytes }) => [
      diffId,
      have.has(diffId) ? 0 : bytes,
    ]),
  );
  return [...fresh.values()].reduce((sum, bytes) => sum + bytes, 0);
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
