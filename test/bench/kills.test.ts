import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

import { runKills } from '../../bench/kills/run-kills.ts';

test('five kills of a busy origin lose nothing', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-kills-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const dist = resolve(import.meta.dirname, '../../dist');
  const result = await runKills({ dist, dir, kills: 5, seed: 20261129 });
  expect(result.findings).toEqual([]);
  expect(result).toMatchObject({ kills: 5, stuck: 0, fullChecks: 1 });
  expect(result.acknowledged).toBeGreaterThan(0);
}, 300_000);
