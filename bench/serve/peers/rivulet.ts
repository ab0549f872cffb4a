import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { startServer } from '../../demo/programs.ts';
import { logTail } from './child-server.ts';
import type { Peer } from './peer.ts';

/** An origin of ours on its embedded store, with the settings that it has by itself. */
export function rivuletPeer(): Peer {
  const { version } = createRequire(import.meta.url)('../../../../package.json') as {
    version: string;
  };
  return {
    name: 'rivulet',
    version,
    takesPushes: true,
    blobPath: (digest) => `/v1/blobs/${digest}`,
    async start({ dir, workers, tls }) {
      await mkdir(dir, { recursive: true });
      const config = join(dir, 'rivulet.json');
      await writeFile(
        config,
        JSON.stringify({
          data: join(dir, 'store'),
          listen: '127.0.0.1:0',
          logLevel: 'error',
          workers,
          ...(tls !== undefined && { tls }),
        }),
      );
      const log = join(dir, 'log');
      try {
        return await startServer(['serve', '--config', config], log);
      } catch (error) {
        throw new Error(await logTail(log), { cause: error });
      }
    },
  };
}
