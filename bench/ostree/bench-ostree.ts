import { mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';

import { isMet } from '../engine/goals.ts';
import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { needTool, type Tool } from '../tools.ts';
import { conditionsOf } from './conditions.ts';
import { openTrees } from './corpus/open-trees.ts';
import { ostreeGoals } from './goals.ts';
import { HELP, parseOstreeOptions, type CaseName, type OstreeBenchOptions } from './options.ts';
import { findOstrees, type OstreeTool } from './ostree-tool.ts';
import { ostreeMarkdown } from './report.ts';
import type { CaseOutcome } from './results.ts';
import { runCase } from './run-case.ts';
import { specOf } from './specs.ts';

interface Tools {
  readonly ostrees: readonly [OstreeTool, ...OstreeTool[]];
  readonly nginx: Tool;
}

/**
 * `npm run bench -- ostree`: static deltas of ours and of the stock command over the same commits, in
 * turns, and what stock clients take over the wire from our server and from nginx.
 */
export async function benchOstree(args: readonly string[]): Promise<void> {
  const options = parseOstreeOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const tools = {
    ostrees: await findOstrees(),
    nginx: await needTool('nginx', ['-v'], 'apt-get install nginx-light'),
  };
  const [loadBefore = 0] = loadavg();
  const outcomes: CaseOutcome[] = [];
  for (const name of options.only) outcomes.push(await outcomeOf(name, options, tools));
  const [loadAfter = 0] = loadavg();
  const done = outcomes.filter((outcome) => outcome.state === 'done');
  const goals = ostreeGoals(
    done,
    tools.ostrees.map(({ version }) => version),
  );
  const conditions = conditionsOf(options, tools, outcomes, [loadBefore, loadAfter]);
  await writeReport(
    options.quick ? 'ostree-quick' : 'ostree',
    ostreeMarkdown(conditions, goals, done),
    {
      ...{ options, conditions, load: { before: loadBefore, after: loadAfter } },
      ...{ goals: goals.map((goal) => ({ ...goal, met: isMet(goal) ?? null })), cases: outcomes },
    },
    { args, json: options.json },
  );
  const failures = outcomes.flatMap((outcome) =>
    outcome.state === 'failed' ? [`${outcome.name}: ${outcome.reason}`] : [],
  );
  if (failures.length > 0) throw new Error(failures.join('\n'));
  if (done.length === 0) throw new Error('no case is to be had');
}

async function outcomeOf(
  name: CaseName,
  options: OstreeBenchOptions,
  { ostrees, nginx }: Tools,
): Promise<CaseOutcome> {
  const spec = specOf(name, options);
  const { title } = spec.recipe;
  const cache = join(process.cwd(), '.bench', 'corpus');
  await mkdir(cache, { recursive: true });
  let commits;
  try {
    commits = await openTrees(spec.recipe, ostrees[0], cache);
  } catch (error) {
    process.stderr.write(`${name} is left out: ${wordsOf(error)}\n`);
    return { state: 'skipped', name, title, reason: wordsOf(error) };
  }
  const { path: dir, remove } = await makeScratch('ostree');
  try {
    const context = { commits, ostrees, nginx, rounds: options.rounds, dir };
    return { state: 'done', ...(await runCase(spec, context)) };
  } catch (error) {
    return { state: 'failed', name, title, reason: wordsOf(error) };
  } finally {
    await remove();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
