import type { BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import type { DeltaRow } from '../storage/catalog/delta-catalog.ts';
import type { LayerRow, Lease } from '../storage/catalog/layer-catalog.ts';
import { ingestLayer } from '../storage/chunk/ingest.ts';
import type { Clock } from '../storage/clock.ts';
import { CodedError, isStorageError } from '../storage/errors.ts';
import type { BsdiffLoad } from './codecs/bsdiff-process.ts';
import type { EngineLimits } from './engine/engine.ts';
import { isDeltaError } from './errors.ts';
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

/** How a job ended; its row says the same. `lost`: another worker or the policy took the row. */
export type JobOutcome =
  | { readonly kind: 'chunked' }
  | { readonly kind: 'opaque'; readonly reason: string }
  | { readonly kind: 'published'; readonly size: number; readonly fullSize: number }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAtMs: number | undefined }
  /** The signal fired; the row is free for another worker at once (a layer) or when its lease ends. */
  | { readonly kind: 'released' }
  | { readonly kind: 'lost' };

export type LayerClaim = { readonly layer: LayerRow; readonly lease: Lease };
export type DeltaClaim = { readonly delta: DeltaRow; readonly lease: Lease };

/** First retry after this long, then twice as long each time, up to an hour. */
const RETRY_MS = 10_000;
const MAX_RETRY_MS = 3_600_000;
/** Crashes and stops use up claims too, but a pair that kills its builder must end some time. */
const CLAIMS_PER_ATTEMPT = 3;

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
  if (claim.delta.attempts > deps.maxAttempts * CLAIMS_PER_ATTEMPT) return giveUp(deps, claim);
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
    return endDelta(deps, claim, lease, error);
  }
}

async function giveUp(deps: WorkDeps, { delta, lease }: DeltaClaim): Promise<JobOutcome> {
  const reason = `given up: claimed ${delta.attempts} times without an end, the builders must have crashed`;
  await deps.catalog.deltas.fail(delta.id, lease, reason, undefined);
  return { kind: 'failed', reason, retryAtMs: undefined };
}

async function endDelta(
  deps: WorkDeps,
  { delta, lease }: DeltaClaim,
  held: RowLease,
  error: unknown,
): Promise<JobOutcome> {
  if (held.isLost || isStorageError(error, 'conflict')) return { kind: 'lost' };
  const isStopped = deps.signal?.aborted === true;
  const reason = isStopped ? 'the worker was stopped' : describe(error);
  const now = deps.clock();
  const retryMs = Math.min(RETRY_MS * 2 ** Math.max(delta.attempts - 1, 0), MAX_RETRY_MS);
  const mayRetry = delta.attempts < deps.maxAttempts && !isDeltaError(error, 'refused');
  const retryAtMs = isStopped ? now : mayRetry ? now + retryMs : undefined;
  try {
    await deps.catalog.deltas.fail(delta.id, lease, reason, retryAtMs);
  } catch (late) {
    if (isStorageError(late, 'conflict')) return { kind: 'lost' };
    throw late;
  }
  return isStopped ? { kind: 'released' } : { kind: 'failed', reason, retryAtMs };
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof CodedError ? `${String(error.code)}: ` : '';
  return `${code}${text}`.slice(0, 1000);
}
