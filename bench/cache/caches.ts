import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startServer } from '../demo/programs.ts';
import { logTail } from '../serve/peers/child-server.ts';
import type { RunningPeer } from '../serve/peers/peer.ts';
import { startRegistry } from '../serve/peers/registry.ts';
import { rivuletPeer } from '../serve/peers/rivulet.ts';
import { findTool } from '../tools.ts';
import type { CacheName } from './options.ts';

/** A program that can stand between clients and an origin. */
export interface CachePeer {
  readonly name: CacheName;
  readonly version: string;
  /** Starts it cold, in a folder of its own; `upstream` is the origin's base URL. */
  start(options: { readonly dir: string; readonly upstream: string }): Promise<RunningPeer>;
}

/** Of those that are wanted, ours and the ones that are installed. */
export async function findCaches(wanted: readonly CacheName[]): Promise<readonly CachePeer[]> {
  const distribution = await findTool('registry', ['--version']);
  const zot = await findTool('zot', ['--version']);
  const peers: (CachePeer | undefined)[] = [
    { name: 'rivulet', version: rivuletPeer().version, start: startRivulet },
    distribution && {
      name: 'distribution',
      version: distribution.version.split(' ').at(-1) ?? distribution.version,
      start: (options) => startGo(distribution.path, options, distributionConfig),
    },
    zot && {
      name: 'zot',
      version: /"commit":"([^"]+)"/.exec(zot.version)?.[1] ?? zot.version,
      start: (options) => startGo(zot.path, options, zotConfig),
    },
  ];
  return peers.filter((peer) => peer !== undefined).filter(({ name }) => wanted.includes(name));
}

type StartCache = Parameters<CachePeer['start']>[0];

/** With the settings that it has by itself. */
async function startRivulet({ dir, upstream }: StartCache): Promise<RunningPeer> {
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'cache.json');
  const settings = {
    upstream,
    region: 'bench',
    data: join(dir, 'store'),
    listen: '127.0.0.1:0',
    logLevel: 'error',
  };
  await writeFile(config, JSON.stringify(settings));
  const log = join(dir, 'log');
  try {
    return await startServer(['cache', '--config', config], log);
  } catch (error) {
    throw new Error(await logTail(log), { cause: error });
  }
}

function startGo(
  command: string,
  { dir, upstream }: StartCache,
  configure: (dir: string, upstream: string, port: number) => unknown,
): Promise<RunningPeer> {
  return startRegistry(command, { dir, content: dir, workers: 1 }, (_, port) =>
    configure(dir, upstream, port),
  );
}

/** distribution as a pull-through cache (its documentation's "Registry as a pull through cache"). */
function distributionConfig(dir: string, upstream: string, port: number): unknown {
  return {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(dir, 'store') },
      cache: { blobdescriptor: 'inmemory' },
    },
    proxy: { remoteurl: upstream },
    http: { addr: `127.0.0.1:${port}`, secret: 'bench' },
  };
}

/** zot with its extension `sync`, on demand only. */
function zotConfig(dir: string, upstream: string, port: number): unknown {
  return {
    storage: { rootDirectory: join(dir, 'store'), gc: false, dedupe: false },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' },
    extensions: {
      sync: {
        enable: true,
        registries: [
          {
            urls: [upstream],
            onDemand: true,
            tlsVerify: false,
            maxRetries: 1,
            retryDelay: '1s',
            content: [{ prefix: '**' }],
          },
        ],
      },
    },
  };
}
