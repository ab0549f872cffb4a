import type { BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { Lease } from '../../../storage/catalog/layer-catalog.ts';
import type { OstreeDeltaRow } from '../../../storage/catalog/ostree-delta-catalog.ts';
import { endBuild, giveUpWorn, type JobOutcome, type JobRules } from '../../job.ts';
import { RowLease } from '../../row-lease.ts';
import { withScratch } from '../../scratch.ts';
import { makeStaticDelta } from './make-static-delta.ts';

/** What building a static delta needs. */
export interface OstreeWorkDeps extends JobRules {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas'>;
  /** Folder for temporary files; each job makes and removes its own below. */
  readonly scratch: string;
  readonly leaseMs: number;
}

export type OstreeDeltaClaim = { readonly delta: OstreeDeltaRow; readonly lease: Lease };

/**
 * Builds, proves and publishes (or rejects) one claimed static delta. The lease is renewed while it
 * works; when it is lost, also because policy retired the row, the work stops and nothing is published.
 */
export async function runOstreeDeltaJob(
  deps: OstreeWorkDeps,
  { delta, lease }: OstreeDeltaClaim,
): Promise<JobOutcome> {
  const { ostree, ostreeDeltas } = deps.catalog;
  const { id, attempts } = delta;
  const row = {
    attempts,
    fail: (reason: string, retryAtMs: number | undefined) =>
      ostreeDeltas.fail(id, lease, reason, retryAtMs),
  };
  const worn = await giveUpWorn(deps, row);
  if (worn !== undefined) return worn;
  let phase: 'building' | 'proving' = 'building';
  let fraction = 0;
  const held = new RowLease(deps, () =>
    ostreeDeltas.progress(id, lease, phase, fraction, deps.leaseMs),
  );
  try {
    const { result, files, refusal } = await held.hold((signal) =>
      withScratch(deps.scratch, 'static-delta-', (scratch) =>
        makeStaticDelta(
          {
            ...deps,
            ostree,
            signal,
            keepFile: (file) => ostreeDeltas.keepFile(id, lease, file),
            onProgress: (newPhase, newFraction) => {
              phase = newPhase;
              fraction = newFraction;
            },
          },
          delta,
          scratch,
        ),
      ),
    );
    if (refusal !== undefined) {
      await ostreeDeltas.reject(id, lease, refusal, result);
      return { kind: 'rejected', reason: refusal };
    }
    await ostreeDeltas.publish(id, lease, result, files);
    const size = result.superblockBytes + result.partBytes + result.fallbackBytes;
    return { kind: 'published', size, fullSize: result.fullBytes };
  } catch (error) {
    return endBuild(deps, row, held, error);
  }
}
