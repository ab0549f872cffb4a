import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { parseServeOptions } from '../../bench/serve/options.ts';
import { makeScenarios } from '../../bench/serve/scenarios.ts';
import { needTool } from '../clients/require.ts';

const run = promisify(execFile);
const BENCH = resolve(import.meta.dirname, '../../dist/bench/main.js');

/** Registries are measured where they are installed. */
const REGISTRIES = ['zot', 'distribution'];
const TOOLS = ['nginx', 'wrk', 'curl', 'openssl'];

interface Report {
  readonly scenarios: readonly {
    readonly name: string;
    readonly generator: string;
    readonly entries: readonly {
      readonly title: string;
      readonly failure?: string;
      readonly tls?: string;
      readonly turns: readonly { readonly requests: number; readonly rssBytes: number }[];
    }[];
  }[];
}

const isOurs = (title: string): boolean => !REGISTRIES.some((name) => title.startsWith(name));

describe.skipIf(TOOLS.map(needTool).includes(undefined))('npm run bench -- serve --quick', () => {
  it('has every row in its report', { timeout: 300_000 }, async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'rivulet-bench-test-'));
    try {
      const { stdout } = await run(process.execPath, [BENCH, 'serve', '--quick', '--json'], {
        cwd,
      });
      const report = JSON.parse(stdout) as Report;
      const wanted = makeScenarios(parseServeOptions(['--quick']).scale);
      expect(report.scenarios.map(({ name }) => name)).toEqual(wanted.map(({ name }) => name));
      for (const [index, { name, tls, entries }] of wanted.entries()) {
        const got = report.scenarios[index]?.entries ?? [];
        const titles = entries.map(({ title }) => title).filter(isOurs);
        expect(got.map(({ title }) => title).filter(isOurs), name).toEqual(titles);
        for (const row of got.filter(({ title }) => isOurs(title))) {
          expect(row.turns[0]?.requests, `${name} ${row.title}`).toBeGreaterThan(0);
          expect(row.turns[0]?.rssBytes).toBeGreaterThan(0);
          expect(row.tls).toBe(tls ? 'TLSv1.3 TLS_AES_256_GCM_SHA384' : undefined);
        }
      }
      const markdown = await readFile(join(cwd, '.bench/serve-quick.md'), 'utf8');
      for (const { title } of wanted) expect(markdown).toContain(`## ${title}\n`);
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });

  it('names the scenarios there are when one is asked for that is not', async () => {
    await expect(run(process.execPath, [BENCH, 'serve', '--only', 'smal'])).rejects.toThrow(
      /no scenario smal: there are small, small-tls,/,
    );
  });
});
