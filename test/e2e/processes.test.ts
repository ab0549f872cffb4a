import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { writeSmallRelease } from '../clients/oci-image.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../clients/rivulet.ts';

const RIVULET = resolve(import.meta.dirname, '../../dist/server/cli/main.js');

describe('several processes over one store', () => {
  let dir = '';
  let server: ServerProcess | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-processes-'));
    for (const version of [1, 2]) {
      await writeSmallRelease(join(dir, `r${version}`), 'v', version);
    }
  });
  afterEach(async () => {
    await server?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  async function pushBoth(url: string): Promise<string> {
    let said = '';
    for (const version of [1, 2]) {
      const source = `oci:${join(dir, `r${version}`)}:v`;
      const done = await runRivulet(['push', source, 'app:stable', '--server', url, '--wait']);
      expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
      said = done.stdout;
    }
    return said;
  }

  it('serves from two processes while the primary builds', async () => {
    server = await startRivulet([
      ...['serve', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0', '--workers', '2'],
    ]);
    expect((await pushBoth(server.url)).match(/: published, /g)).toHaveLength(3);
    expect(await server.stop()).toBe(0);
  });

  it('replaces a serving process that dies', async () => {
    const args = [
      'serve',
      '--data',
      join(dir, 'data'),
      '--listen',
      '127.0.0.1:0',
      '--workers',
      '2',
    ];
    server = await startRivulet(args);
    const children = await childrenOf(server.child.pid ?? 0);
    expect(children.length).toBeGreaterThanOrEqual(2);
    process.kill(children[0] ?? 0, 'SIGKILL');
    await expect
      .poll(() => server?.log() ?? '', { timeout: 20_000 })
      .toContain('a serving process ended');
    await expect
      .poll(async () => (await childrenOf(server?.child.pid ?? 0)).length, {
        timeout: 20_000,
      })
      .toBe(children.length);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it('leaves no serving process behind when the primary is killed', async () => {
    const args = [
      'serve',
      '--data',
      join(dir, 'data'),
      '--listen',
      '127.0.0.1:0',
      '--workers',
      '2',
    ];
    server = await startRivulet(args);
    const children = await childrenOf(server.child.pid ?? 0);
    await server.kill();
    const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);
    await expect.poll(() => children.filter(alive), { timeout: 20_000 }).toEqual([]);
  });

  it('lets a worker of its own build what an origin without builders planned', async () => {
    const data = join(dir, 'data');
    server = await startRivulet(['serve', '--data', data, '--listen', '127.0.0.1:0'], {
      RIVULET_MATRIX_BUILDERS: '0',
    });
    const worker = spawn(process.execPath, [RIVULET, 'worker', '--data', data], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, RIVULET_MATRIX_RECONCILE_MS: '300' },
    });
    try {
      const [line] = (await once(createInterface({ input: worker.stdout }), 'line')) as [string];
      expect(JSON.parse(line)).toEqual({ event: 'working', builders: 1 });
      expect((await pushBoth(server.url)).match(/: published, /g)).toHaveLength(3);
    } finally {
      const exited = once(worker, 'exit');
      worker.kill('SIGTERM');
      expect((await exited)[0]).toBe(0);
    }
  });
});

/** The processes that a process started (Linux). */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
