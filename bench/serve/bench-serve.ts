import { join } from 'node:path';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { needTool } from '../tools.ts';
import { conditionsOf } from './conditions.ts';
import { makeContent } from './content.ts';
import { findGenerators } from './generators.ts';
import { measureGoals } from './goals.ts';
import { parseServeOptions, type ServeBenchOptions } from './options.ts';
import { findPeers } from './peers/find-peers.ts';
import { pinToHalves, UNPINNED } from './pin.ts';
import { serveMarkdown } from './report.ts';
import { runScenario, type ScenarioContext, type ScenarioResult } from './run-scenario.ts';
import { makeScenarios, type Scenario } from './scenarios.ts';
import { Stand } from './stand.ts';
import { makeCertificate } from './tls-files.ts';

/**
 * `npm run bench -- serve`: blobs from an origin of ours against nginx, and against the registries
 * that are installed, over the same bytes, in turns in one run; medians of the rounds.
 */
export async function benchServe(args: readonly string[]): Promise<void> {
  const options = parseServeOptions(args);
  const scenarios = chooseScenarios(options);
  const peers = await findPeers();
  const generators = await findGenerators();
  const openssl = await needTool('openssl', ['version'], 'apt-get install openssl');
  const pin = options.pin ? await pinToHalves() : UNPINNED;
  const { path: dir, remove } = await makeScratch('serve');
  const stand = new Stand(dir, join(dir, 'content'), peers);
  try {
    const content = await makeContent(join(dir, 'content'), options.scale);
    const tls = await makeCertificate(openssl, join(dir, 'tls'));
    const context = { stand, content, scale: options.scale, pin, generators, tls };
    const results = await runAll(scenarios, context);
    const hasWrk = generators.small !== generators.autocannon;
    const conditions = conditionsOf(options, peers, pin, hasWrk);
    const goals = measureGoals(results);
    await writeReport(
      options.quick ? 'serve-quick' : 'serve',
      serveMarkdown(conditions, results),
      { conditions, goals, scenarios: results },
      { args, json: options.json },
    );
  } finally {
    await stand.stop();
    await remove();
  }
}

function chooseScenarios({ scale, only }: ServeBenchOptions): Scenario[] {
  const all = makeScenarios(scale);
  const names = all.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new Error(`no scenario ${unknown}: there are ${names.join(', ')}`);
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name));
}

async function runAll(
  scenarios: readonly Scenario[],
  context: ScenarioContext,
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    process.stderr.write(`${scenario.title}\n`);
    results.push(await runScenario(scenario, context));
  }
  return results;
}
