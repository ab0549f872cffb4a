import { join } from 'node:path';

import type { Tool } from '../../tools.ts';
import type { Peer, StartOptions } from './peer.ts';
import { registryBlobPath, startRegistry } from './registry.ts';

/** distribution on its filesystem driver, descriptors kept in memory, no access log, no tracing. */
export function distributionPeer(tool: Tool): Peer {
  return {
    name: 'distribution',
    version: tool.version.split(' ').slice(1).join(' '),
    takesPushes: true,
    blobPath: registryBlobPath,
    // Its configuration is YAML, of which JSON is a part.
    start: (options) => startRegistry(tool.path, options, distributionConfig),
  };
}

function distributionConfig({ dir, tls }: StartOptions, port: number): unknown {
  return {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(dir, 'store') },
      cache: { blobdescriptor: 'inmemory' },
    },
    http: {
      addr: `127.0.0.1:${port}`,
      secret: 'bench',
      ...(tls !== undefined && {
        tls: { certificate: tls.cert, key: tls.key, minimumtls: 'tls1.3' },
      }),
    },
  };
}
