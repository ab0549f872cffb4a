import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Digest } from '../../../storage/digest.ts';
import type { Tool } from '../../tools.ts';
import { fileName } from '../content.ts';
import { TLS_VERSION } from '../tls-files.ts';
import { freePort } from '../../free-port.ts';
import { startChild } from './child-server.ts';
import type { Peer, StartOptions } from './peer.ts';

/**
 * Head and file in one packet is what makes small files fast; with ranges it leaves a rest of the file
 * waiting for the client's delayed acknowledgement (44 ms an answer, seen with 1.22.1).
 */
const PARTS = '/parts';

/** Where nginx is asked for ranges. */
export function nginxPartsPath(digest: Digest): string {
  return `${PARTS}/${fileName(digest)}`;
}

/** nginx over the files themselves, with what makes it fastest: sendfile and kept open files. */
export function nginxPeer(tool: Tool): Peer {
  return {
    name: 'nginx',
    version: tool.version.replace(/^nginx version: /, ''),
    takesPushes: false,
    blobPath: (digest) => `/${fileName(digest)}`,
    async start(options) {
      const { dir } = options;
      await mkdir(join(dir, 'tmp'), { recursive: true });
      const port = await freePort();
      const config = join(dir, 'nginx.conf');
      await writeFile(config, nginxConfig(options, port));
      const args = ['-c', config, '-p', dir];
      return startChild({ command: tool.path, args, dir, port, tls: options.tls !== undefined });
    },
  };
}

function nginxConfig({ dir, content, workers, tls }: StartOptions, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((part) => `${part}_temp_path ${join(dir, 'tmp')};`)
    .join(' ');
  const secure =
    tls === undefined
      ? ''
      : `ssl_protocols ${TLS_VERSION}; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`;
  // Only root may name the workers' user, and as root they must be able to read the content.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes ${workers};
pid ${join(dir, 'nginx.pid')};
error_log ${join(dir, 'error.log')};
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  open_file_cache max=12000 inactive=1h;
  open_file_cache_valid 1h;
  ${temporary}
  server {
    listen 127.0.0.1:${port}${tls === undefined ? '' : ' ssl'};
    ${secure}
    root ${content};
    location ${PARTS}/ { alias ${content}/; tcp_nopush off; }
  }
}
`;
}
