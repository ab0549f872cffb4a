import autocannon from 'autocannon';

/** What one server did under one load. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p99Ms: number;
}

/** Loads one URL; throws if any answer was not 200 or broke off. */
export async function load(url: string, connections: number, seconds: number): Promise<LoadResult> {
  const result = await autocannon({ url, connections, duration: seconds });
  if (result.errors > 0 || result.timeouts > 0 || result.non2xx > 0) {
    throw new Error(
      `${url}: ${result.errors} errors, ${result.timeouts} timeouts, ${result.non2xx} refusals`,
    );
  }
  return {
    requestsPerSecond: result.requests.average,
    bytesPerSecond: result.throughput.average,
    p99Ms: result.latency.p99,
  };
}
