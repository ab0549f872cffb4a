import type { Clock } from '../storage/clock.ts';
import { collectGarbage, type GcOptions, type GcReport } from '../storage/gc/collect.ts';
import { retain, type RetentionReport } from '../storage/retention/retention.ts';
import type { ServerConfig } from './config.ts';
import type { OpenedStore } from './open-store.ts';
import { keptCommits, retentionPolicy } from './retention/rules.ts';

export interface CollectOptions extends Pick<
  GcOptions,
  'graceMs' | 'dryRun' | 'onProgress' | 'signal'
> {
  readonly store: Pick<OpenedStore, 'blobs' | 'catalog'>;
  readonly config: Pick<ServerConfig, 'matrix' | 'retention'>;
  readonly clock: Clock;
  /** False leaves tags and manifests as they are, whatever the settings say. */
  readonly retention: boolean;
}

/** What went; `retained` where the settings have rules. */
export interface Collected {
  readonly retained: RetentionReport | undefined;
  readonly report: GcReport;
}

/** Applies the rules of retention, then removes what nothing reaches. Throws as `collectGarbage`. */
export async function collect(options: CollectOptions): Promise<Collected> {
  const { store, config, clock, retention, dryRun, graceMs, onProgress, signal } = options;
  const { blobs, catalog } = store;
  const policy = retentionPolicy(config);
  // Read once: a clock that jumps while this runs changes no age.
  const nowMs = clock();
  const retains = retention && policy.rules.length > 0;
  const retained = retains ? await retain({ catalog, nowMs, policy, dryRun, signal }) : undefined;
  const report = await collectGarbage({
    ...{ objects: blobs.objects, catalog, clock, nowMs, dryRun, graceMs, onProgress, signal },
    liveMs: config.matrix.liveMs,
    keptCommitsIn: keptCommits(config.retention, await catalog.ostree.repos()),
  });
  return { retained, report };
}
