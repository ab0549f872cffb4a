import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

import { needTool } from '../../clients/require.ts';

const UNITS = resolve(import.meta.dirname, '../../../delta/agent/systemd');
const MAIN = resolve(import.meta.dirname, '../../../dist/delta/agent/main.js');
const analyze = needTool('systemd-analyze');

describe.skipIf(analyze === undefined)('the systemd units', () => {
  it('are what systemd-analyze takes without a word', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'rivulet-units-'));
    try {
      const names = await readdir(UNITS);
      expect(names.length).toBeGreaterThan(3);
      for (const name of names) {
        // It looks whether the program is there.
        const text = await readFile(join(UNITS, name), 'utf8');
        await writeFile(join(dir, name), text.replaceAll('/usr/bin/rivulet-device', MAIN));
      }
      const paths = names.map((name) => join(dir, name));
      const { status, stderr } = spawnSync(analyze ?? '', ['verify', '--man=no', ...paths], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${dir}:` },
      });
      const about = stderr.split('\n').filter((line) => line.includes('rivulet'));
      expect(about).toEqual([]);
      expect(status).toBe(0);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
