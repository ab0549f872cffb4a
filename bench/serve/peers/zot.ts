import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Tool } from '../../tools.ts';
import { freePort, startChild } from './child-server.ts';
import { goEnvironment, registryBlobPath, type Peer, type StartOptions } from './peer.ts';

/** zot on a folder, without extensions and without what runs beside serving. */
export function zotPeer(tool: Tool): Peer {
  return {
    name: 'zot',
    version: zotVersion(tool.version),
    takesPushes: true,
    blobPath: registryBlobPath,
    async start(options) {
      const { dir, tls } = options;
      await mkdir(dir, { recursive: true });
      const port = await freePort();
      const config = join(dir, 'zot.json');
      await writeFile(config, JSON.stringify(zotConfig(options, port)));
      return startChild({
        command: tool.path,
        args: ['serve', config],
        env: goEnvironment(options),
        dir,
        port,
        tls: tls !== undefined,
      });
    },
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
