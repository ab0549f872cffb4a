import { Agent, get } from 'node:http';

import autocannon from 'autocannon';

/** What one server did under one load. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p99Ms: number;
}

/** Many small answers by autocannon; throws if any was not 200 or broke off. */
export async function loadSmall(
  url: string,
  connections: number,
  seconds: number,
): Promise<LoadResult> {
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

/**
 * Large answers, read and thrown away: autocannon's parser copies bodies and would be what is
 * measured. Each connection downloads again and again until the time is up; every download is whole.
 */
export async function loadLarge(
  url: string,
  bytes: number,
  connections: number,
  seconds: number,
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const started = performance.now();
  const until = started + seconds * 1000;
  const times: number[] = [];
  const one = async (): Promise<void> => {
    while (performance.now() < until) {
      const begun = performance.now();
      const got = await download(url, agent);
      if (got !== bytes) throw new Error(`${url} gave ${got} bytes, not ${bytes}`);
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  const took = (performance.now() - started) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  return {
    requestsPerSecond: times.length / took,
    bytesPerSecond: (times.length * bytes) / took,
    p99Ms: times[Math.ceil(times.length * 0.99) - 1] ?? 0,
  };
}

function download(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (answer) => {
      let bytes = 0;
      answer.on('data', (part: Buffer) => {
        bytes += part.length;
      });
      answer.once('error', reject);
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(bytes);
        else reject(new Error(`${url} was answered ${answer.statusCode ?? 0}`));
      });
    }).once('error', reject);
  });
}
