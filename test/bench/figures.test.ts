import { spawn } from 'node:child_process';
import { once } from 'node:events';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { measureGoals } from '../../bench/serve/goals.ts';
import { parseServeOptions } from '../../bench/serve/options.ts';
import { ownCpuSeconds, processUse } from '../../bench/serve/process-use.ts';
import { ratioOf } from '../../bench/serve/ratio.ts';
import { serveMarkdown } from '../../bench/serve/report.ts';
import type { EntryResult } from '../../bench/serve/run-scenario.ts';
import { makeScenarios } from '../../bench/serve/scenarios.ts';
import { median } from '../../bench/serve/statistics.ts';

function entry(title: string, rates: readonly number[], failure?: string): EntryResult {
  const rest = {
    requests: 1,
    bytesPerSecond: 1,
    p50Ms: 1,
    p99Ms: 1,
    serverCores: 1,
    generatorCores: 1,
    rssBytes: 1,
  };
  const turns = rates.map((requestsPerSecond) => ({ requestsPerSecond, ...rest }));
  return { title, tls: undefined, turns, failure };
}

const scenario = (name: string, entries: readonly EntryResult[]) => ({
  ...{ name, title: name, generator: 'wrk', connections: 50, entries },
});

describe('figures', () => {
  it('have as many above their median as below', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values);
        const above = values.filter((value) => value > middle).length;
        const below = values.filter((value) => value < middle).length;
        expect(Math.max(above, below)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });

  it('are compared within their round, so that a slow round changes no ratio', () => {
    expect(ratioOf(entry('a', [100, 10, 50]), entry('b', [200, 20, 100]))).toBe(0.5);
    expect(ratioOf(entry('a', [100]), entry('b', []))).toBeUndefined();
  });

  it('meet a goal at its bound and miss it below', () => {
    const measured = (rate: number): string =>
      serveMarkdown([], [scenario('small', [entry('rivulet', [rate]), entry('nginx', [100])])]);
    expect(measured(90)).toMatch(/4 KiB against nginx\s*\|\s*0\.9x \|\s*0\.90x \| yes/);
    expect(measured(89)).toMatch(/4 KiB against nginx\s*\|\s*0\.9x \|\s*0\.89x \|\s*no/);
    expect(measured(90)).toMatch(/100 MB against nginx\s*\|\s*1x \| not measured \|\s*\|/);
  });

  it('show a registry that failed as failed, with why', () => {
    const entries = [entry('rivulet', [5]), entry('zot', [], 'http://x: 3 refusals')];
    const text = serveMarkdown([], [scenario('small', entries)]);
    expect(text).toMatch(/\| zot +\| +failed \|/);
    expect(text).toContain('zot failed: http://x: 3 refusals');
  });

  it('answer every goal from a scenario that exists', () => {
    const all = makeScenarios(parseServeOptions([]).scale).map(({ name, entries }) =>
      scenario(
        name,
        entries.map(({ title }) => entry(title, [1])),
      ),
    );
    expect(measureGoals(all).filter(({ ratio }) => ratio !== 1)).toEqual([]);
  });
});

describe('options of the bench', () => {
  it('are read', () => {
    const { quick, json, only, scale } = parseServeOptions([
      '--quick',
      '--json',
      '--only',
      'small',
      '--rounds',
      '7',
    ]);
    expect({ quick, json, only, rounds: scale.rounds }).toEqual({
      quick: true,
      json: true,
      only: ['small'],
      rounds: 7,
    });
  });

  it('are refused when they mean nothing', () => {
    for (const args of [['--rounds', '0'], ['--seconds', '1.5'], ['--fast'], ['stray']]) {
      expect(() => parseServeOptions(args)).toThrow();
    }
  });
});

describe('what a process uses', () => {
  it('holds what the processes below it use', async () => {
    const bytes = 64 * 1024 * 1024;
    const hold = `const held = Buffer.alloc(${bytes}, 1); console.log(held.length); setInterval(() => held, 1000)`;
    const shell = spawn('sh', ['-c', `"${process.execPath}" -e '${hold}'; true`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    try {
      await once(shell.stdout, 'data');
      expect((await processUse(shell.pid ?? 0)).rssBytes).toBeGreaterThan(bytes);
      expect((await processUse(shell.pid ?? 0)).cpuSeconds).toBeGreaterThan(0);
    } finally {
      process.kill(-(shell.pid ?? 0));
    }
  });

  it('counts the time of children that have ended as its own', async () => {
    const before = await ownCpuSeconds();
    const burn =
      'const end = process.cpuUsage().user + 300_000; while (process.cpuUsage().user < end);';
    await once(spawn(process.execPath, ['-e', burn]), 'exit');
    expect((await ownCpuSeconds()) - before).toBeGreaterThan(0.25);
  });
});
