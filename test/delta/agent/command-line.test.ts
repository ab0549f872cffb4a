import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadOptions } from '../../../delta/agent/config.ts';
import { takeLock } from '../../../delta/agent/lock.ts';
import { runAgent } from './agent-process.ts';

let data: string;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'rivulet-agent-cli-'));
});

afterEach(async () => {
  await rm(data, { recursive: true });
});

describe('configuration', () => {
  const file = (): string => join(data, 'config.json');

  it('takes flags over the environment over the file over defaults', async () => {
    await writeFile(
      file(),
      JSON.stringify({ servers: ['http://file:1'], product: 'file', channel: 'file', keep: 1 }),
    );
    const env = {
      RIVULET_DEVICE_CHANNEL: 'env',
      RIVULET_DEVICE_SERVER: 'http://env:1,http://b:2/',
    };
    const options = await loadOptions(file(), { product: 'flag', maxBps: '1000' }, env, true);
    expect(options).toMatchObject({
      product: 'flag',
      channel: 'env',
      servers: ['http://env:1', 'http://b:2'],
      keep: 1,
      maxBps: 1000,
      healthTimeoutMs: 60_000,
    });
  });

  it('lists every fault at once, unknown keys and variables included', async () => {
    await writeFile(file(), JSON.stringify({ colour: 'blue', keep: 33, servers: 'x' }));
    const flags = { platform: 'linux', server: ['ftp://x', 'http://u:p@h/'] };
    const loading = loadOptions(file(), flags, { RIVULET_DEVICE_SPEED: '1' }, true);
    await expect(loading).rejects.toMatchObject({ code: 'config' });
    const message = await loading.catch((error: unknown) => String(error));
    for (const fault of ['colour', 'whole number', '--platform', 'ftp:', 'SPEED', 'product']) {
      expect(message).toContain(fault);
    }
  });
});

describe('the program', () => {
  it('exits 2 with one line for wrong use', async () => {
    for (const args of [['updaet'], ['update', '--nope'], ['update', '--data', data]]) {
      const { code, stderr, stdout } = await runAgent(args);
      expect(code).toBe(2);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(stdout).toBe('');
    }
  });

  it('shows help with an example for each command', async () => {
    for (const command of ['update', 'status', 'rollback', 'serve']) {
      const { code, stdout } = await runAgent([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`$ rivulet-device ${command}`);
    }
  });

  it('shows where an error comes from only with --debug', async () => {
    const args = ['update', '--data', data, '--server', 'http://127.0.0.1:9', '--product', 'a'];
    expect((await runAgent(args)).stderr).not.toContain('    at ');
    expect((await runAgent([...args, '--debug'])).stderr).toContain('    at ');
    const remembered: unknown = JSON.parse(await readFile(join(data, 'config.json'), 'utf8'));
    expect(remembered).toMatchObject({ servers: ['http://127.0.0.1:9'], product: 'a' });
  });
});

describe('the lock', () => {
  it('holds one process at a time, and is taken over from a dead one', async () => {
    const folder = join(data, 'lock');
    const lock = await takeLock(folder);
    const args = ['update', '--data', data, '--server', 'http://127.0.0.1:9', '--product', 'a'];
    const { code, stderr } = await runAgent(args);
    expect(code).toBe(1);
    expect(stderr).toContain(`process ${process.pid}`);
    expect(stderr).toContain('[locked]');
    await lock.release();
    await writeFile(join(folder, '1.12345.00000000'), '');
    await writeFile(join(folder, '4194303.12345.00000000'), '');
    await (await takeLock(folder)).release();
  });
});
