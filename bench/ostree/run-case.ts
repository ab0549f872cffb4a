import { join } from 'node:path';

import type { CaseContext, CaseSpec } from './case.ts';
import { generateAll } from './generate/generate-all.ts';
import { generateOurs } from './generate/our-generator.ts';
import { fillOrigin, REPOSITORY } from './origin.ts';
import { pullAll } from './pull/pull-all.ts';
import { withServers } from './pull/servers.ts';
import { copyRepo, updateSummary } from './pull/stock-repo.ts';
import { OURS, type CaseResult } from './results.ts';

/** Makes the delta by every program, in turns, then has every client pull what they made. */
export async function runCase(spec: CaseSpec, context: CaseContext): Promise<CaseResult> {
  const { commits, ostrees, dir } = context;
  const { from, to, before, after, gone } = commits;
  const repos = new Map(spec.stock.map(({ name }) => [name, join(dir, name)]));
  const served = { data: join(dir, 'origin'), repos };
  await fillOrigin(served.data, dir, commits);
  for (const repo of repos.values()) await copyRepo(commits, repo);
  const generators = await generateAll(spec, context, served);
  let scratch;
  if (spec.scratch) {
    process.stderr.write(`${spec.name}: ${OURS} makes the delta from scratch\n`);
    scratch = await generateOurs(served.data, REPOSITORY, { from: undefined, to });
  }
  for (const repo of repos.values()) await updateSummary(ostrees[0], repo);
  const pulls = await withServers(spec, context, served, (servers) =>
    pullAll(spec, context, servers),
  );
  const facts = { name: spec.name, title: spec.recipe.title, peer: spec.peer };
  return { ...facts, from, to, before, after, gone, generators, scratch, pulls };
}
