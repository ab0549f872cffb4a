import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Tool } from '../../tools.ts';
import { freePort, startChild } from './child-server.ts';
import { goEnvironment, registryBlobPath, type Peer, type StartOptions } from './peer.ts';

/** distribution on its filesystem driver, descriptors kept in memory, no access log, no tracing. */
export function distributionPeer(tool: Tool): Peer {
  return {
    name: 'distribution',
    version: tool.version.split(' ').slice(1).join(' '),
    takesPushes: true,
    blobPath: registryBlobPath,
    async start(options) {
      const { dir, tls } = options;
      await mkdir(dir, { recursive: true });
      const port = await freePort();
      const config = join(dir, 'distribution.json');
      // Its configuration is YAML, of which JSON is a part.
      await writeFile(config, JSON.stringify(distributionConfig(options, port)));
      return startChild({
        command: tool.path,
        args: ['serve', config],
        env: { ...goEnvironment(options), OTEL_TRACES_EXPORTER: 'none' },
        dir,
        port,
        tls: tls !== undefined,
      });
    },
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
