import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Starts nginx with one worker over a folder of files, on a free loopback port. */
export async function startNginx(
  dir: string,
  root: string,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  await mkdir(join(dir, 'tmp'), { recursive: true });
  const port = await freePort();
  const config = join(dir, 'nginx.conf');
  await writeFile(config, nginxConfig(dir, root, port));
  const child = spawn('nginx', ['-c', config, '-p', dir], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    try {
      await fetch(url);
      return {
        url,
        async stop() {
          child.kill('SIGQUIT');
          await once(child, 'exit');
        },
      };
    } catch {
      // Not listening yet: asked again until the tries run out.
      await sleep(50);
    }
  }
  throw new Error('nginx did not answer');
}

function nginxConfig(dir: string, root: string, port: number): string {
  return `daemon off;
worker_processes 1;
user root;
pid ${join(dir, 'nginx.pid')};
error_log ${join(dir, 'error.log')};
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=1000;
  client_body_temp_path ${join(dir, 'tmp')};
  proxy_temp_path ${join(dir, 'tmp')};
  fastcgi_temp_path ${join(dir, 'tmp')};
  uwsgi_temp_path ${join(dir, 'tmp')};
  scgi_temp_path ${join(dir, 'tmp')};
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
