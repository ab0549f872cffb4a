import type { CaseContext, CaseSpec } from '../case.ts';
import { REPOSITORY } from '../origin.ts';
import type { Served } from '../pull/servers.ts';
import { OURS, type GeneratorResult } from '../results.ts';
import { medianGenerated, type Generated } from './generated.ts';
import { generateOurs } from './our-generator.ts';
import { generateStock } from './stock-generator.ts';

/** The delta by every program, in turns; those of the last round stay where they are served from. */
export async function generateAll(
  { recipe, stock }: CaseSpec,
  { commits, ostrees: [ostree], rounds }: CaseContext,
  { data, repos }: Served,
): Promise<readonly GeneratorResult[]> {
  const programs = [
    { name: OURS, title: OURS, make: () => generateOurs(data, REPOSITORY, commits) },
    ...stock.map(({ name, title, options }) => ({
      name,
      title,
      make: () => generateStock(ostree, repos.get(name) ?? '', commits, options),
    })),
  ];
  const turns = new Map<string, Generated[]>(programs.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, title, make } of programs) {
      process.stderr.write(`${recipe.name}: ${title} makes the delta\n`);
      turns.get(name)?.push(await make());
    }
  }
  return programs.map(({ name, title }) => ({
    name,
    title,
    generated: medianGenerated(turns.get(name) ?? []),
  }));
}
