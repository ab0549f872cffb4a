import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { Tool } from '../../tools.ts';
import { TLS_CIPHER } from '../tls-files.ts';
import type { Generator, LoadPlan, LoadResult, PlannedGet } from './load.ts';

const run = promisify(execFile);

/** Downloads of one process, one after the other on one connection. */
const BATCH = 4;
const FORMAT = '%{http_code} %{size_download} %{time_total}\n';

/**
 * Large answers by curl, a process for each connection: wrk reads 8 KiB at a time and would itself be
 * what is measured. Every download is whole and counted with the time it took.
 */
export function curlGenerator(tool: Tool): Generator {
  return {
    name: tool.version.split(' ').slice(0, 2).join(' '),
    run: (plan) => runCurl(tool, plan),
  };
}

async function runCurl(tool: Tool, plan: LoadPlan): Promise<LoadResult> {
  const [get] = plan.gets;
  const started = performance.now();
  const until = started + plan.seconds * 1000;
  const times: number[] = [];
  const connection = async (): Promise<void> => {
    do {
      const { stdout } = await run(tool.path, curlArgs(plan, get));
      times.push(...parseCurl(stdout, plan.url, get.bytes));
    } while (performance.now() < until);
  };
  await Promise.all(Array.from({ length: plan.connections }, connection));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const percentile = (share: number): number => times[Math.ceil(times.length * share) - 1] ?? 0;
  return {
    requests: times.length,
    requestsPerSecond: times.length / seconds,
    bytesPerSecond: (times.length * get.bytes) / seconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
}

function curlArgs({ url, tls }: LoadPlan, { path }: PlannedGet): string[] {
  const secure =
    tls === undefined ? [] : ['--tlsv1.3', '--tls13-ciphers', TLS_CIPHER, '--cacert', tls.cert];
  const downloads = Array.from({ length: BATCH }, () => ['-o', '/dev/null', `${url}${path}`]);
  return [
    '-s',
    '-S',
    '-f',
    '--fail-early',
    '--noproxy',
    '*',
    ...secure,
    '-w',
    FORMAT,
    ...downloads.flat(),
  ];
}

/** The milliseconds of each download; throws unless each was a whole 200. */
export function parseCurl(output: string, url: string, bytes: number): number[] {
  return output
    .trim()
    .split('\n')
    .map((line) => {
      const [status, got, seconds] = line.split(' ').map(Number);
      if (status !== 200 || got !== bytes) {
        throw new Error(`${url} answered ${status} with ${got} bytes instead of ${bytes}`);
      }
      return (seconds ?? 0) * 1000;
    });
}
