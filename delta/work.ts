import type { BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import type { DeltaRow } from '../storage/catalog/delta-catalog.ts';
import type { LayerRow, Lease } from '../storage/catalog/layer-catalog.ts';
import { ingestLayer } from '../storage/chunk/ingest.ts';
import type { Clock } from '../storage/clock.ts';
import { isStorageError } from '../storage/errors.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import type { EngineLimits } from './engine/engine.ts';
import { describe, endBuild, giveUpWorn, type BuildRow, type JobOutcome } from './job.ts';
import { makeDelta } from './make-delta.ts';
import { RowLease } from './row-lease.ts';
import { withScratch } from './scratch.ts';

/** What a unit of work needs. */
export interface WorkDeps {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'layers' | 'deltas'>;
  /** Folder for temporary files; each job makes and removes its own below. */
  readonly scratch: string;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
  /** Bounds of the engine's time and memory; the default is for a server with one builder. */
  readonly engineLimits?: EngineLimits | undefined;
  /** Finds bsdiff; the default tries bsdiff-node. */
  readonly loadBsdiff?: (() => Promise<BsdiffLoad>) | undefined;
}

export type LayerClaim = { readonly layer: LayerRow; readonly lease: Lease };
export type DeltaClaim = { readonly delta: DeltaRow; readonly lease: Lease };

/**
 * Opens and chunks one claimed layer. A blob that can't be opened becomes opaque; a fault of the
 * store leaves the row to be claimed again when the lease runs out, so that it is not hammered.
 */
export async function runLayerJob(deps: WorkDeps, claim: LayerClaim): Promise<JobOutcome> {
  const { layers } = deps.catalog;
  const { digest } = claim.layer;
  const lease = new RowLease(deps, () => layers.renew(digest, claim.lease, deps.leaseMs));
  try {
    const chunked = await lease.hold((signal) =>
      withScratch(deps.scratch, `layer-`, (scratch) =>
        ingestLayer({ blobs: deps.blobs, layers, digest, scratch, signal }),
      ),
    );
    await layers.finish(digest, claim.lease, chunked);
    return { kind: 'chunked' };
  } catch (error) {
    return endLayer(deps, claim, lease, error);
  }
}

async function endLayer(
  deps: WorkDeps,
  { layer, lease }: LayerClaim,
  held: RowLease,
  error: unknown,
): Promise<JobOutcome> {
  const { layers } = deps.catalog;
  if (held.isLost || isStorageError(error, 'conflict')) return { kind: 'lost' };
  try {
    if (deps.signal?.aborted === true) {
      await layers.release(layer.digest, lease);
      return { kind: 'released' };
    }
    const reason = describe(error);
    if (isStorageError(error, 'corrupt') || isStorageError(error, 'too_large')) {
      await layers.refuse(layer.digest, lease, reason);
      return { kind: 'opaque', reason };
    }
    return { kind: 'failed', reason, retryAtMs: deps.clock() + deps.leaseMs };
  } catch (late) {
    if (isStorageError(late, 'conflict')) return { kind: 'lost' };
    throw late;
  }
}

/**
 * Builds, proves and publishes (or rejects) one claimed delta. The lease is renewed while it works;
 * when it is lost, also because policy retired the row, the work stops and nothing is published.
 */
export async function runDeltaJob(deps: WorkDeps, claim: DeltaClaim): Promise<JobOutcome> {
  const { deltas } = deps.catalog;
  const { id } = claim.delta;
  let phase: 'building' | 'proving' = 'building';
  let fraction = 0;
  const worn = await giveUpWorn(deps, rowOf(deps, claim));
  if (worn !== undefined) return worn;
  const lease = new RowLease(deps, () =>
    deltas.progress(id, claim.lease, phase, fraction, deps.leaseMs),
  );
  try {
    const made = await lease.hold((signal) =>
      withScratch(deps.scratch, `delta-`, (scratch) =>
        makeDelta(
          { ...deps, layers: deps.catalog.layers, signal },
          claim.delta,
          scratch,
          (newPhase, newFraction) => {
            phase = newPhase;
            fraction = newFraction;
          },
        ),
      ),
    );
    const { size, fullSize } = made.result;
    if (made.isSmaller) {
      await deltas.publish(id, claim.lease, made.result);
      return { kind: 'published', size, fullSize };
    }
    const reason = `the delta takes ${size} bytes, the layers that the base lacks take ${fullSize}`;
    await deltas.reject(id, claim.lease, reason, made.result);
    return { kind: 'rejected', reason };
  } catch (error) {
    return endBuild(deps, rowOf(deps, claim), lease, error);
  }
}

function rowOf(deps: WorkDeps, { delta, lease }: DeltaClaim): BuildRow {
  return {
    attempts: delta.attempts,
    fail: (reason, retryAtMs) => deps.catalog.deltas.fail(delta.id, lease, reason, retryAtMs),
  };
}
