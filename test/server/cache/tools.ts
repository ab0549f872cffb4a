import { createCipheriv } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

import { startCache, type RunningCache } from '../../../server/cache/cache-server.ts';
import type { CacheTuning } from '../../../server/cache/cache-parts.ts';
import type { CacheConfig } from '../../../server/config.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { FakeOrigin } from './origin.ts';

export const silent = createLogger('silent');
export const MIB = 1024 * 1024;

/** The same bytes each time, not compressible. */
export function noise(size: number, seed = 1): Buffer {
  const iv = Buffer.alloc(16, seed);
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), iv).update(Buffer.alloc(size));
}

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-cache-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function startOrigin(): Promise<FakeOrigin> {
  const origin = new FakeOrigin();
  await origin.start();
  onTestFinished(() => origin.stop());
  return origin;
}

export interface TestCache extends RunningCache {
  readonly data: string;
}

const NO_LIMITS = { address: { perSecond: 0, burst: 1 }, principal: { perSecond: 0, burst: 1 } };

export function configOf(
  upstream: string,
  data: string,
  change: Partial<CacheConfig>,
): CacheConfig {
  return {
    data,
    store: { kind: 'fs' },
    listen: { host: '127.0.0.1', port: 0 },
    logLevel: 'silent',
    upstream,
    region: 'eu',
    upstreamNames: [],
    registries: {},
    pushes: 'refuse',
    publicUrl: '',
    drainMs: 5000,
    limits: NO_LIMITS,
    budgetBytes: 1024 * MIB,
    offlineMs: 3_600_000,
    tagTtlMs: 0,
    refreshMs: 3_600_000,
    mirror: false,
    ...change,
  };
}

/** Few, short pauses: a test of a gone origin should not wait. */
export const QUICK = { attempts: 3, pauseMs: 10, maxPauseMs: 20 } as const;

export async function startTestCache(
  upstream: string,
  change: Partial<CacheConfig> = {},
  tuning: CacheTuning = {},
): Promise<TestCache> {
  const data = change.data ?? (await tempFolder());
  const cache = await startCache(configOf(upstream, data, change), silent, {
    fillRetry: QUICK,
    ...tuning,
  });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= cache.close());
  onTestFinished(close);
  return { url: cache.url, data, close };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Leaves after so many bytes; the answer then holds what came. */
  readonly leaveAfter?: number;
  /** Waits so long between parts. */
  readonly pauseMs?: number;
}

/** One request on a connection of its own; rejects when the transfer breaks. */
export function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, leaveAfter = Infinity, pauseMs = 0 } = options;
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    const req = request(url, { method, headers, agent }, (res) => {
      const read = async (): Promise<void> => {
        const parts: Buffer[] = [];
        let size = 0;
        for await (const part of res) {
          parts.push(part as Buffer);
          size += (part as Buffer).length;
          if (size >= leaveAfter) break;
          if (pauseMs > 0) await sleep(pauseMs);
        }
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts) });
      };
      read().catch(reject);
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** Waits for something that the cache does in the background. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await holds()) return;
    await sleep(10);
  }
  throw new Error('it never came');
}

export async function statusOf(url: string): Promise<Record<string, unknown>> {
  const { body } = await ask(`${url}/v1/status`);
  return JSON.parse(body.toString()) as Record<string, unknown>;
}
