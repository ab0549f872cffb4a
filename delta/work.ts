import type { BlobStore } from '../storage/blob-store.ts';
import type { Catalog, DeltaRow, LayerRow, Lease } from '../storage/catalog/catalog.ts';
import type { Clock } from '../storage/clock.ts';
import { DeltaError } from './errors.ts';

/** What a unit of work needs. */
export interface WorkDeps {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  /** Folder for temporary files; each job makes and removes its own below. */
  readonly scratch: string;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
}

/** How a job ended; its row says the same. `lost`: another worker or the policy took the row. */
export type JobOutcome =
  | { readonly kind: 'chunked' }
  | { readonly kind: 'opaque'; readonly reason: string }
  | { readonly kind: 'published'; readonly size: number; readonly fullSize: number }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAtMs: number | undefined }
  | { readonly kind: 'released' }
  | { readonly kind: 'lost' };

export async function runLayerJob(
  deps: WorkDeps,
  _claim: { readonly layer: LayerRow; readonly lease: Lease },
): Promise<JobOutcome> {
  await Promise.resolve();
  throw new DeltaError('corrupt', `not yet ${deps.scratch}`);
}

export async function runDeltaJob(
  deps: WorkDeps,
  _claim: { readonly delta: DeltaRow; readonly lease: Lease },
): Promise<JobOutcome> {
  await Promise.resolve();
  throw new DeltaError('corrupt', `not yet ${deps.scratch}`);
}
