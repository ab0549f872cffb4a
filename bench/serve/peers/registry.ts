import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Digest } from '../../../storage/digest.ts';
import { REPOSITORY } from '../push.ts';
import { freePort } from '../../free-port.ts';
import { startChild } from './child-server.ts';
import type { RunningPeer, StartOptions } from './peer.ts';

/** Where a registry has its blobs. */
export function registryBlobPath(digest: Digest): string {
  return `/v2/${REPOSITORY}/blobs/${digest}`;
}

/** Starts a registry written in Go: `COMMAND serve CONFIG`, its configuration as JSON. */
export async function startRegistry(
  command: string,
  options: StartOptions,
  configure: (options: StartOptions, port: number) => unknown,
): Promise<RunningPeer> {
  const { dir, tls, goMaxProcs } = options;
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const config = join(dir, 'config.json');
  await writeFile(config, JSON.stringify(configure(options, port)));
  // Go takes all the cores there are unless it is told otherwise.
  const cores = goMaxProcs === undefined ? {} : { GOMAXPROCS: String(goMaxProcs) };
  const env = { ...cores, OTEL_TRACES_EXPORTER: 'none' };
  return startChild({ command, args: ['serve', config], env, dir, port, tls: tls !== undefined });
}
