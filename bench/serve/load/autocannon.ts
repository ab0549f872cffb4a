import { createRequire } from 'node:module';

import autocannon from 'autocannon';

import { tlsClientOptions } from '../tls-files.ts';
import type { Generator, LoadPlan, LoadResult } from './load.ts';

/** Many small answers by autocannon, in this process. It asks in the plan's order, not at random. */
export function autocannonGenerator(): Generator {
  const { version } = createRequire(import.meta.url)('autocannon/package.json') as {
    version: string;
  };
  return { name: `autocannon ${version}`, run: runAutocannon };
}

async function runAutocannon(plan: LoadPlan): Promise<LoadResult> {
  const result = await autocannon({
    url: plan.url,
    connections: plan.connections,
    duration: plan.seconds,
    timeout: 30,
    requests: plan.gets.map(({ path, range }) => ({
      method: 'GET',
      path,
      ...(range !== undefined && { headers: { range } }),
    })),
    ...(plan.tls !== undefined && { tlsOptions: await tlsClientOptions(plan.tls) }),
  });
  const answers = result['2xx'];
  const { errors, timeouts, non2xx } = result;
  // It says nothing of a connection that ends in the middle of an answer: it opens another and asks
  // again. What runs when the time is up is at most one request for each connection.
  const broken = Math.max(0, result.requests.sent - answers - non2xx - plan.connections);
  if (errors + timeouts + non2xx + broken > 0 || answers === 0) {
    throw new Error(
      `${plan.url}: ${answers} answers, ${errors} errors, ${timeouts} timeouts, ${non2xx} refusals, ${broken} broken off`,
    );
  }
  return {
    requests: answers,
    requestsPerSecond: answers / result.duration,
    bytesPerSecond: result.throughput.total / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}
