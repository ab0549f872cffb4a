import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { debianRecipe } from '../../bench/ostree/corpus/debian-recipe.ts';
import { openTrees } from '../../bench/ostree/corpus/open-trees.ts';
import { findOstrees } from '../../bench/ostree/ostree-tool.ts';
import { total } from '../../bench/ostree/pull/counting-proxy.ts';
import { OURS, type CaseOutcome } from '../../bench/ostree/results.ts';
import { needTool } from '../clients/require.ts';
import { FILES, unpack } from './ostree-little.ts';

const run = promisify(execFile);
const BENCH = resolve(import.meta.dirname, '../../dist/bench/main.js');

describe.skipIf(['ostree', 'nginx'].map(needTool).includes(undefined))(
  'npm run bench -- ostree --quick',
  () => {
    it(
      'measures all that it asks for, over trees of its corpus',
      { timeout: 300_000 },
      async () => {
        const cwd = await mkdtemp(join(tmpdir(), 'rivulet-bench-test-'));
        try {
          // Little trees in the place of Debian's: nothing is fetched.
          const cache = join(cwd, '.bench', 'corpus');
          await mkdir(cache, { recursive: true });
          const [ostree] = await findOstrees();
          await openTrees({ ...debianRecipe({ quick: true }), unpack }, ostree, cache);
          await run(process.execPath, [BENCH, 'ostree', '--quick'], {
            cwd,
            env: { ...process.env, RIVULET_OSTREE: '' },
          });
          const text = await readFile(join(cwd, '.bench', 'ostree-quick.json'), 'utf8');
          const { cases } = JSON.parse(text) as { cases: readonly CaseOutcome[] };
          const [outcome] = cases;
          if (outcome?.state !== 'done') throw new Error(text);
          expect(outcome.generators.map(({ name }) => name)).toEqual([OURS, 'ostree']);
          for (const { generated } of outcome.generators) {
            expect(generated.bytes.partCount).toBe(1);
            expect(generated.cost.cpuSeconds).toBeGreaterThan(0);
            expect(generated.cost.peakBytes).toBeGreaterThan(1e6);
          }
          const [ours] = outcome.generators;
          expect(ours?.generated.proved?.cpuSeconds).toBeGreaterThanOrEqual(
            ours?.generated.cost.cpuSeconds ?? Infinity,
          );
          const pulls = outcome.pulls.map(({ kind, server, traffic }) => ({
            ...{ kind, server, parts: traffic.part.requests },
            many: total(traffic).requests > FILES,
          }));
          expect(pulls).toMatchObject([
            { kind: 'update', server: OURS, parts: 1 },
            { kind: 'update', server: 'ostree', parts: 1 },
            { kind: 'scratch', server: OURS, parts: 1 },
            { kind: 'scratch', server: 'ostree', parts: 0, many: true },
          ]);
        } finally {
          await rm(cwd, { recursive: true, force: true });
        }
      },
    );
  },
);
