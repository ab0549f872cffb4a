import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runRivulet, startRivulet } from '../../clients/rivulet.ts';

const COMMANDS = ['serve', 'cache', 'worker', 'push', 'status', 'gc', 'fsck'];
const DELTA_COMMANDS = ['build', 'apply', 'inspect'];

describe('rivulet on the command line', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-cli-'));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it.each([...COMMANDS.map((name) => [name]), ...DELTA_COMMANDS.map((name) => ['delta', name])])(
    'shows an example in the help of %s %s',
    async (...path) => {
      const words = path.filter((word): word is string => typeof word === 'string');
      const { code, stdout } = await runRivulet([...words, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`$ rivulet ${words.join(' ')}`);
    },
  );

  it('ends with 2 and one line for wrong use', async () => {
    for (const args of [
      ['push', 'oci:none'],
      ['push', 'nothing', 'a:b', '--server', 'http://127.0.0.1:1'],
      ['push', 'ostree:repo:ref', 'a:b', '--server', 'http://127.0.0.1:1'],
      ['serve', '--workers', 'many'],
      ['serve', '--listen', 'nowhere'],
      ['cache', '--region', 'eu'],
      ['delta', 'build', '--old', 'a', '--new', 'oci:b', '--out', 'c'],
      ['fly'],
    ]) {
      const { code, stdout, stderr } = await runRivulet(args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stdout).toBe('');
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(stderr.trim()).not.toBe('');
    }
  });

  it('ends with 1 when a server or a file is not there', async () => {
    const unreachable = await runRivulet(['status', '--server', 'http://127.0.0.1:1']);
    expect(unreachable.code).toBe(1);
    expect(unreachable.stderr).toMatch(/^rivulet: http:\/\/127\.0\.0\.1:1 does not answer: .*\n$/);
    const missing = await runRivulet(['delta', 'inspect', join(dir, 'none')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(join(dir, 'none'));
  });

  it('says what is wrong when an address or a folder can not be had', async () => {
    const first = await startRivulet([
      ...['serve', '--data', join(dir, 'first'), '--listen', '127.0.0.1:0'],
    ]);
    const { host } = new URL(first.url);
    const second = await runRivulet(['serve', '--data', join(dir, 'second'), '--listen', host]);
    await first.stop();
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`cannot listen on ${host}: another program has that address`);
    const file = join(dir, 'a-file');
    await writeFile(file, '');
    const folder = await runRivulet(['serve', '--data', join(file, 'data')]);
    expect(folder.code).toBe(1);
    expect(folder.stderr).toContain(`cannot make the folder ${join(file, 'data')}`);
  });

  it('shows a stack only with --debug', async () => {
    const { stderr } = await runRivulet(['--debug', 'status', '--server', 'http://127.0.0.1:1']);
    expect(stderr).toMatch(/\n\s+at /);
  });

  it('ends with 3 for a delta that is none', async () => {
    const path = join(dir, 'not-a-delta');
    await writeFile(path, 'not a delta at all');
    const { code, stderr } = await runRivulet(['delta', 'inspect', path]);
    expect(code).toBe(3);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('refuses a wrong configuration whole', async () => {
    const path = join(dir, 'bad.yaml');
    await writeFile(path, 'workers: 0\ncolour: blue\n');
    const { code, stderr } = await runRivulet(['serve', '--config', path]);
    expect(code).toBe(2);
    expect(stderr).toContain('colour');
    expect(stderr).toContain('workers');
  });

  it('prints one line once it answers, and drains on SIGTERM', async () => {
    for (const workers of ['1', '2']) {
      const data = join(dir, `data-${workers}`);
      const server = await startRivulet([
        'serve',
        '--data',
        data,
        '--listen',
        '127.0.0.1:0',
        '--workers',
        workers,
      ]);
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
      const version = await runRivulet(['status', '--server', server.url, '--json']);
      expect(JSON.parse(version.stdout)).toMatchObject({ event: 'status' });
      expect(await server.stop()).toBe(0);
    }
  });

  it('knows its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect((await runRivulet(['--version'])).stdout.trim()).toBe(version);
  });
});
