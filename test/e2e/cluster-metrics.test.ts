import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startRivulet, type ServerProcess } from '../clients/rivulet.ts';
import { readExposition, valueOf, type Sample } from '../server/observe/exposition.ts';

const ROUTE = { route: '/livez', status: '200' };

describe('metrics of several serving processes', () => {
  let dir = '';
  let server: ServerProcess;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-cluster-metrics-'));
    server = await startRivulet([
      ...['serve', '--data', dir, '--listen', '127.0.0.1:0', '--workers', '2'],
    ]);
  });
  afterEach(async () => {
    await server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  /** Over a connection of its own: the next may go to another process. */
  async function ask(path: string): Promise<string> {
    const agent = new Agent({ keepAlive: false });
    const [answer] = (await once(get(`${server.url}${path}`, { agent }), 'response')) as [
      IncomingMessage,
    ];
    expect(answer.statusCode).toBe(200);
    return text(answer);
  }

  async function scrape(): Promise<readonly Sample[]> {
    return readExposition(await ask('/metrics'));
  }

  it('are those of the whole server, whichever process answers', async () => {
    for (let i = 0; i < 20; i += 1) await ask('/livez');
    for (let i = 0; i < 6; i += 1) {
      const samples = await scrape();
      expect(valueOf(samples, 'rivulet_http_requests_total', ROUTE)).toBe(20);
      expect(valueOf(samples, 'rivulet_delta_queue_depth')).toBe(0);
    }
    const together = await Promise.all(Array.from({ length: 8 }, scrape));
    for (const samples of together) {
      expect(valueOf(samples, 'rivulet_http_requests_total', ROUTE)).toBe(20);
    }
  });

  it('do not fall when a serving process dies', async () => {
    for (let i = 0; i < 20; i += 1) await ask('/livez');
    expect(valueOf(await scrape(), 'rivulet_http_requests_total', ROUTE)).toBe(20);
    const { pid = 0 } = server.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    process.kill(Number(children.trim().split(' ')[0]), 'SIGKILL');
    await expect.poll(() => server.log(), { timeout: 20_000 }).toContain('a serving process ended');
    await ask('/livez');
    expect(valueOf(await scrape(), 'rivulet_http_requests_total', ROUTE)).toBe(21);
  });
});
