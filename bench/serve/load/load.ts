import type { TlsFiles } from '../tls-files.ts';

/** One request of a load. */
export interface PlannedGet {
  /** From the root, percent-encoded. */
  readonly path: string;
  /** A `Range` field's value. */
  readonly range?: string | undefined;
  /** Of the answer's body. */
  readonly bytes: number;
}

export interface LoadPlan {
  /** The server's base URL. */
  readonly url: string;
  /** Asked for at random, again and again. */
  readonly gets: readonly [PlannedGet, ...PlannedGet[]];
  readonly connections: number;
  readonly seconds: number;
  readonly tls?: TlsFiles | undefined;
}

/** What one server did under one load. */
export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Puts a load on a server; throws if any answer was an error, broke off or timed out. */
export interface Generator {
  /** With its version. */
  readonly name: string;
  run(plan: LoadPlan): Promise<LoadResult>;
}
