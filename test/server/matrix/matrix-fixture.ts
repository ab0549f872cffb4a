import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { MatrixConfig, ServerConfig } from '../../../server/config.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { createMetrics, type Metrics } from '../../../server/observe/metrics.ts';
import { startMatrix, type MatrixService } from '../../../server/matrix/matrix-service.ts';
import { openStore, type OpenedStore } from '../../../server/open-store.ts';
import { parseRepoName, parseTag } from '../../../storage/names.ts';
import type { Descriptor, Platform } from '../../../storage/descriptor.ts';
import { incompressible, pushImage, pushIndex, type PushTarget } from '../sample-image.ts';

export const REPO = parseRepoName('demo/app');
export const STABLE = parseTag('stable');
export const AMD64 = { os: 'linux', architecture: 'amd64' };
export const ARM64 = { os: 'linux', architecture: 'arm64' };

/** Threads run what is compiled. */
export const WORKER_URL = new URL('../../../dist/server/matrix/matrix-worker.js', import.meta.url);

/** A store on disk that builders in threads and in other processes share. */
export interface MatrixFixture {
  readonly store: OpenedStore;
  readonly target: PushTarget;
  readonly metrics: Metrics;
  config(matrix?: Partial<MatrixConfig>): ServerConfig;
  start(matrix?: Partial<MatrixConfig>, workerUrl?: URL): MatrixService;
  close(): Promise<void>;
}

export async function openMatrixFixture(): Promise<MatrixFixture> {
  const data = await mkdtemp(join(tmpdir(), 'rivulet-matrix-'));
  const store = await openStore({ data, store: { kind: 'fs' } });
  const { blobs, catalog } = store;
  const metrics = createMetrics();
  const running: MatrixService[] = [];
  const config = (matrix: Partial<MatrixConfig> = {}): ServerConfig => ({
    data,
    listen: { host: '127.0.0.1', port: 0 },
    workers: 1,
    catalog: { kind: 'sqlite' },
    logLevel: 'silent',
    publicUrl: '',
    drainMs: 5000,
    limits: { address: { perSecond: 0, burst: 1 }, principal: { perSecond: 0, burst: 1 } },
    store: { kind: 'fs' },
    matrix: {
      releases: 2,
      liveMs: 60_000,
      builders: 1,
      leaseMs: 30_000,
      maxAttempts: 3,
      reconcileMs: 60_000,
      ...matrix,
    },
    uploads: { ttlMs: 60_000 },
    ostree: { filezBytes: 0, repositories: {} },
    regions: {},
    gc: { everyMs: 0, graceMs: 3_600_000 },
    retention: [],
  });
  return {
    store,
    target: { blobs, repositories: catalog.repositories, repo: REPO },
    metrics,
    config,
    start: (matrix, workerUrl = WORKER_URL) => {
      if (!existsSync(WORKER_URL)) throw new Error('dist is missing: run npm run build first');
      const service = startMatrix({
        config: config(matrix),
        blobs,
        catalog,
        logger: createLogger('silent'),
        metrics,
        clock: Date.now,
        workerUrl,
      });
      running.push(service);
      return service;
    },
    close: async () => {
      await Promise.all(running.map((service) => service.close()));
      await store.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Pushes a release: a layer that stays, and one of `bytes` that differs in a twentieth of its blocks. */
export async function pushRelease(
  { target }: MatrixFixture,
  version: string,
  options: { readonly platforms?: readonly Platform[]; readonly bytes?: number } = {},
): Promise<readonly Descriptor[]> {
  const { platforms = [AMD64, ARM64], bytes = 40_000 } = options;
  const images: Descriptor[] = [];
  for (const platform of platforms) {
    const { architecture } = platform;
    const app = incompressible(`app-${architecture}`, bytes);
    incompressible(`${version}-${architecture}`, Math.ceil(bytes / 20)).copy(app, bytes >> 1);
    const base = { 'etc/base': incompressible('base', 4000) };
    images.push(await pushImage(target, platform, [base, { 'usr/bin/app': app }]));
  }
  await pushIndex(target, images, STABLE);
  return images;
}

/** Waits until the probe gives something; the test's own timeout ends it. */
export async function until<T>(probe: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    await sleep(10);
  }
}
