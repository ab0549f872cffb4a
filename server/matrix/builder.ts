import type { JobOutcome } from '../../delta/job.ts';
import { runFormJob, type FormWorkDeps } from '../../delta/oci/zstd-chunked/form-job.ts';
import { runOstreeDeltaJob, type OstreeWorkDeps } from '../../delta/ostree/matrix/delta-job.ts';
import { runDeltaJob, runLayerJob, type WorkDeps } from '../../delta/work.ts';
import type { Logger } from '../observe/logger.ts';

/** A job that ended. */
export interface JobReport {
  readonly job: 'layer' | 'delta' | 'static-delta' | 'zstd-chunked';
  readonly outcome: JobOutcome['kind'];
  readonly durationMs: number;
}

export interface BuilderOptions {
  readonly work: WorkDeps & OstreeWorkDeps & FormWorkDeps & { readonly signal: AbortSignal };
  /** Names the claims; unique among all builders. */
  readonly owner: string;
  readonly logger: Logger;
  readonly onReport: (report: JobReport) => void;
  /** Resolves when there may be work, after `ms` at the latest, or when the signal fires. */
  readonly idle: (ms: number) => Promise<void>;
}

/** Other processes add rows without telling this one; two empty claims cost microseconds. */
const IDLE_MS = 1000;
const FAULT_PAUSE_MS = 5000;

/**
 * Claims and does one job after the other until the signal fires: layers first, since a delta's
 * device may fall back to their chunks; then images' deltas, then those of OSTree commits, then zstd:chunked forms. A job that ends in a fault of its own says so in its row;
 * one that throws is logged, and its lease runs out.
 */
export async function runBuilder(options: BuilderOptions): Promise<void> {
  const { work, logger, idle } = options;
  while (!work.signal.aborted) {
    try {
      const worked =
        (await chunkLayer(options)) ||
        (await buildDelta(options)) ||
        (await buildStaticDelta(options)) ||
        (await buildForm(options));
      if (!worked) await idle(IDLE_MS);
    } catch (error) {
      logger.error({ err: error }, 'a build job broke; its row is taken again when its lease ends');
      await idle(FAULT_PAUSE_MS);
    }
  }
}

async function chunkLayer({ work, owner, logger, onReport }: BuilderOptions): Promise<boolean> {
  const claim = await work.catalog.layers.claim(owner, work.leaseMs);
  if (claim === undefined) return false;
  const startMs = performance.now();
  const outcome = await runLayerJob(work, claim);
  const durationMs = Math.round(performance.now() - startMs);
  logger.info({ layer: claim.layer.digest, durationMs, ...outcome }, 'layer job ended');
  onReport({ job: 'layer', outcome: outcome.kind, durationMs });
  return true;
}

async function buildDelta({ work, owner, logger, onReport }: BuilderOptions): Promise<boolean> {
  const claim = await work.catalog.deltas.claim(owner, work.leaseMs);
  if (claim === undefined) return false;
  const { repo, tag, platform, from, to } = claim.delta;
  const startMs = performance.now();
  const outcome = await runDeltaJob(work, claim);
  const durationMs = Math.round(performance.now() - startMs);
  logger.info({ repo, tag, platform, from, to, durationMs, ...outcome }, 'delta job ended');
  onReport({ job: 'delta', outcome: outcome.kind, durationMs });
  return true;
}

async function buildStaticDelta(options: BuilderOptions): Promise<boolean> {
  const { work, owner, logger, onReport } = options;
  const claim = await work.catalog.ostreeDeltas.claim(owner, work.leaseMs);
  if (claim === undefined) return false;
  const { repo, ref, from, to } = claim.delta;
  const startMs = performance.now();
  const outcome = await runOstreeDeltaJob(work, claim);
  const durationMs = Math.round(performance.now() - startMs);
  logger.info({ repo, ref, from, to, durationMs, ...outcome }, 'static delta job ended');
  onReport({ job: 'static-delta', outcome: outcome.kind, durationMs });
  return true;
}

async function buildForm({ work, owner, logger, onReport }: BuilderOptions): Promise<boolean> {
  const claim = await work.catalog.zstdChunked.claim(owner, work.leaseMs);
  if (claim === undefined) return false;
  const { repo, source } = claim.image;
  const startMs = performance.now();
  const outcome = await runFormJob(work, claim);
  const durationMs = Math.round(performance.now() - startMs);
  logger.info({ repo, source, durationMs, ...outcome }, 'zstd:chunked job ended');
  onReport({ job: 'zstd-chunked', outcome: outcome.kind, durationMs });
  return true;
}
