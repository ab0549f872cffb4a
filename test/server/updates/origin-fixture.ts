import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { OstreeCheckRequest } from '../../../delta/agent/ostree-protocol.ts';
import { DEVICE_HEADER, type CheckRequest } from '../../../delta/agent/protocol.ts';
import { listen, type HttpServer } from '../../../server/http/http-server.ts';
import { loadContract, type Contract } from '../../../server/http/validate.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { createMetrics, type Metrics } from '../../../server/observe/metrics.ts';
import { openStore, type OpenedStore } from '../../../server/open-store.ts';
import { createApi } from '../../../server/updates/api.ts';
import { parseRepoName, parseTag } from '../../../storage/names.ts';
import type { PushTarget } from '../sample-image.ts';

export const REPO = parseRepoName('demo/app');
export const STABLE = parseTag('stable');

/** The API over a real store, catalog and port. */
export interface OriginFixture {
  readonly data: string;
  readonly store: OpenedStore;
  readonly target: PushTarget;
  readonly contract: Contract;
  readonly metrics: Metrics;
  readonly server: HttpServer;
  /** How often the matrix was poked. */
  pokes: number;
  nowMs: number;
  check(ask: CheckRequest, headers?: Readonly<Record<string, string>>): Promise<Response>;
  checkOstree(ask: OstreeCheckRequest): Promise<Response>;
  close(): Promise<void>;
}

export interface OriginFixtureOptions {
  /** What bodies are checked by; this program's own unless given. */
  readonly contract?: Contract | undefined;
  /** Any free one unless given. */
  readonly port?: number | undefined;
}

export async function startOriginFixture(
  options: OriginFixtureOptions = {},
): Promise<OriginFixture> {
  const data = await mkdtemp(join(tmpdir(), 'rivulet-api-'));
  const clock = (): number => fixture.nowMs;
  const store = await openStore({ data, store: { kind: 'fs' } }, clock);
  const { contract = await loadContract(), port = 0 } = options;
  const metrics = createMetrics();
  const logger = createLogger('silent');
  const app = createApi({
    config: {
      publicUrl: '',
      regions: { eu: ['http://eu.example/'] },
      matrix: {
        releases: 3,
        liveMs: 60_000,
        builders: 0,
        leaseMs: 1000,
        maxAttempts: 3,
        reconcileMs: 1000,
      },
    },
    blobs: store.blobs,
    catalog: store.catalog,
    contract,
    matrix: {
      poke: () => {
        fixture.pokes += 1;
      },
    },
    logger,
    metrics,
    clock,
  });
  const server = await listen({ routes: [], app, host: '127.0.0.1', port, logger });
  const fixture: OriginFixture = {
    data,
    store,
    target: { blobs: store.blobs, repositories: store.catalog.repositories, repo: REPO },
    contract,
    metrics,
    server,
    pokes: 0,
    nowMs: 1_764_000_000_000,
    check: (ask, headers = {}) => post(server, '/v1/check', ask, headers),
    checkOstree: (ask) => post(server, '/v1/check', ask),
    close: async () => {
      await server.close(0);
      await store.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** Posts JSON as `device-1`, unless the headers say otherwise. */
export function post(
  server: HttpServer,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { [DEVICE_HEADER]: 'device-1', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
