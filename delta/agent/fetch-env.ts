import type { Digest } from '../../storage/digest.ts';
import { DeviceError } from './errors.ts';
import type { HttpAnswer, HttpClient } from './http.ts';
import type { Meter, Pacer } from './meter.ts';
import type { DevicePaths } from './paths.ts';
import type { RetryEnv } from './retry.ts';
import type { PassingBuffers } from '../../storage/passing-buffers.ts';
import type { SpaceGuard } from './space.ts';
import type { Budget } from './spend/budget.ts';

/** What blobs are fetched with. */
export interface FetchEnv extends RetryEnv {
  readonly paths: DevicePaths;
  readonly http: HttpClient;
  readonly meter: Meter;
  readonly pacer: Pacer;
  readonly budget: Budget;
  readonly space: SpaceGuard;
  readonly buffers: PassingBuffers;
  /** Bases of blob URLs, in the order to try. */
  readonly bases: readonly string[];
  /** Bytes that just arrived, or were there already. */
  readonly onBytes: (bytes: number) => void;
  readonly onResume: (digest: Digest, at: number) => void;
}

/** Asks for a blob, or a range of it, once the budget covers the request. */
export async function getBlob(
  { budget, http, signal }: FetchEnv,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<HttpAnswer> {
  await budget.coverFetch();
  return http.send({ url, method: 'GET', headers, signal });
}

/**
 * Accounts for bytes that have arrived and are written, and holds the next to rate and budget. `fresh` of
 * them were not here before.
 */
export async function bytesArrived(env: FetchEnv, bytes: number, fresh = bytes): Promise<void> {
  env.meter.received(bytes);
  env.buffers.passed(bytes);
  env.onBytes(fresh);
  await env.budget.coverFetch();
  await env.pacer.spend(bytes, env.signal);
}

/** Notes the byte at which a download goes on. */
export function noteResumed(env: FetchEnv, digest: Digest, at: number): void {
  env.meter.resumed(at);
  env.onResume(digest, at);
}

export function cutOff(url: string): DeviceError {
  return new DeviceError('unreachable', `${url}: the connection broke off`);
}
