import { tmpdir } from 'node:os';

import { runOstreeDeltaJob } from '../../../delta/ostree/matrix/delta-job.ts';
import { OstreePlanner } from '../../../server/matrix/ostree-planner.ts';
import type { OpenedStore } from '../../../server/open-store.ts';

/** Plans the matrix of static deltas and builds all of it here, as a builder does; how each job ended. */
export async function buildStaticDeltas({ blobs, catalog }: OpenedStore): Promise<string[]> {
  const matrix = { releases: 2, liveMs: 3_600_000 };
  const planner = new OstreePlanner({ catalog, matrix, clock: Date.now });
  await planner.reconcile();
  const outcomes: string[] = [];
  for (;;) {
    const claim = await catalog.ostreeDeltas.claim('test', 600_000);
    if (claim === undefined) return outcomes;
    const deps = { blobs, catalog, scratch: tmpdir(), leaseMs: 600_000, maxAttempts: 1 };
    const outcome = await runOstreeDeltaJob({ ...deps, clock: Date.now }, claim);
    if (outcome.kind === 'failed') throw new Error(outcome.reason);
    outcomes.push(outcome.kind);
  }
}

export async function retireAll({ catalog }: OpenedStore): Promise<void> {
  const rows = await catalog.ostreeDeltas.list({ limit: 1000 });
  await catalog.ostreeDeltas.retire(rows.map(({ id }) => id));
}
