import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');

describe('npm run demo', () => {
  let dir = '';
  let output = '';

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-demo-'));
    const script = join(ROOT, 'dist/bench/demo/main.js');
    // The folder is the demo's own, so that a demo someone keeps running is left alone.
    const { stdout } = await run(process.execPath, [script, '--dir', dir], {
      cwd: ROOT,
      maxBuffer: 16 * 1024 * 1024,
    });
    output = stdout;
  }, 600_000);

  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it('updates three architectures by delta and proves every image', () => {
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      expect(output).toMatch(new RegExp(`${platform}: full, \\d+ bytes on the wire`));
      expect(output).toMatch(new RegExp(`${platform}: delta, \\d+ bytes on the wire`));
      expect(output).toMatch(new RegExp(`${platform}: \\d+ bytes of layers equal release 2`));
    }
  });

  it('goes on at the byte it had after a cut', () => {
    const [, at, size] = /it went on at byte (\d+) of (\d+)/.exec(output) ?? [];
    expect(Number(at)).toBeGreaterThan(0);
    expect(Number(at)).toBeLessThan(Number(size));
  });

  it('serves the last device without the origin and delivers its report later', () => {
    expect(output).toContain('the origin is stopped');
    expect(output).toContain('all 3 devices run release 2 and are healthy');
  });

  it('sends less from the origin than the region serves', () => {
    const [, sent, served] = /the origin sent ([\d,]+) bytes .* served ([\d,]+)/.exec(output) ?? [];
    const number = (text: string | undefined): number => Number(text?.replaceAll(',', ''));
    expect(number(sent)).toBeGreaterThan(0);
    expect(number(sent)).toBeLessThan(number(served));
  });
});
