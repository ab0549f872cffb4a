import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { makeScratch } from '../../scratch.ts';
import type { Tool } from '../../tools.ts';
import { TLS_CIPHER, TLS_VERSION } from '../tls-files.ts';
import type { Generator, LoadPlan, LoadResult } from './load.ts';
import { RESULT_MARK, wrkScript } from './wrk-script.ts';

const run = promisify(execFile);

/** The slowest server answers 2,000 connections in turn: an answer may take this long. */
const TIMEOUT_SECONDS = 30;

/** wrk has no option for ciphers; it follows OpenSSL's configuration. */
const OPENSSL_CONFIG = `openssl_conf = top
[top]
ssl_conf = ssl
[ssl]
system_default = client
[client]
MinProtocol = ${TLS_VERSION}
Ciphersuites = ${TLS_CIPHER}
`;

/** Half of the cores, so that the servers have the other half. */
export function wrkThreads(cores: number): number {
  return Math.max(1, Math.floor(cores / 2));
}

/** Many small answers by wrk, whose single thread outruns one worker of nginx. */
export function wrkGenerator(tool: Tool): Generator {
  return {
    name: `wrk ${tool.version}`,
    async run(plan) {
      const { path: dir, remove } = await makeScratch('wrk');
      try {
        return await runWrk(tool.path, plan, dir);
      } finally {
        await remove();
      }
    },
  };
}

async function runWrk(program: string, plan: LoadPlan, dir: string): Promise<LoadResult> {
  const several = plan.gets.length > 1;
  const [script, list, openssl] = [join(dir, 'load.lua'), join(dir, 'gets'), join(dir, 'openssl')];
  await writeFile(script, wrkScript(several));
  await writeFile(openssl, OPENSSL_CONFIG);
  await writeFile(list, plan.gets.map(({ path, range }) => `${path} ${range ?? ''}\n`).join(''));
  const [first] = plan.gets;
  const { stdout } = await run(
    program,
    [
      ...['-t', String(Math.min(wrkThreads(cpus().length), plan.connections))],
      ...['-c', String(plan.connections), '-d', `${Math.ceil(plan.seconds)}s`],
      ...['--timeout', `${TIMEOUT_SECONDS}s`, '-s', script],
      ...(first.range === undefined ? [] : ['-H', `Range: ${first.range}`]),
      `${plan.url}${first.path}`,
      ...(several ? ['--', list] : []),
    ],
    { env: { ...process.env, OPENSSL_CONF: openssl } },
  );
  return parseWrk(stdout, plan.url);
}

/** Reads what the script printed; throws if anything went wrong under the load. */
export function parseWrk(output: string, url: string): LoadResult {
  const line = output.split('\n').find((text) => text.startsWith(RESULT_MARK));
  if (line === undefined) throw new Error(`wrk gave no result: ${output.trim().slice(-300)}`);
  const result = JSON.parse(line.slice(RESULT_MARK.length)) as Readonly<
    Record<'requests' | 'bytes' | 'microseconds' | 'p50' | 'p99' | 'errors' | 'refusals', number>
  >;
  const { requests, errors, refusals } = result;
  if (errors > 0 || refusals > 0 || requests === 0) {
    throw new Error(`${url}: ${requests} answers, ${errors} errors, ${refusals} refusals`);
  }
  const seconds = result.microseconds / 1e6;
  return {
    requests,
    requestsPerSecond: requests / seconds,
    bytesPerSecond: result.bytes / seconds,
    p50Ms: result.p50 / 1000,
    p99Ms: result.p99 / 1000,
  };
}
