import { join } from 'node:path';

import type { Tool } from '../../tools.ts';
import type { Peer, StartOptions } from './peer.ts';
import { registryBlobPath, startRegistry } from './registry.ts';

/** zot on a folder, without extensions and without what runs beside serving. */
export function zotPeer(tool: Tool): Peer {
  return {
    name: 'zot',
    version: zotVersion(tool.version),
    takesPushes: true,
    blobPath: registryBlobPath,
    start: (options) => startRegistry(tool.path, options, zotConfig),
  };
}

function zotConfig({ dir, tls }: StartOptions, port: number): unknown {
  return {
    storage: { rootDirectory: join(dir, 'store'), gc: false, dedupe: false },
    http: {
      address: '127.0.0.1',
      port: String(port),
      ...(tls !== undefined && { tls }),
    },
    log: { level: 'error' },
  };
}

/** `zot --version` prints a line of its log. */
function zotVersion(line: string): string {
  return /"commit":"([^"]+)"/.exec(line)?.[1] ?? line;
}
