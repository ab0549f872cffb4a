import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeReport } from '../report-files.ts';
import { barChart, type Panel } from './bar-chart.ts';
import { conditionsOf } from './conditions.ts';
import { goalTable, isMet, type Goal } from './goals.ts';
import type { EngineBenchOptions } from './options.ts';
import { failuresOf, type Results } from './results.ts';

/** What a bench shows of its results. */
export interface Findings {
  readonly title: string;
  readonly goals: readonly Goal[];
  /** A heading, and what stands under it in Markdown. */
  readonly sections: readonly (readonly [heading: string, body: string])[];
  readonly panels: readonly Panel[];
  /** Besides goals and results, in the JSON. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Writes Markdown, JSON and chart into `.bench/`; throws after that when a coder has failed. */
export async function finish(
  bench: string,
  args: readonly string[],
  options: EngineBenchOptions,
  results: Results,
  findings: Findings,
): Promise<void> {
  const name = options.quick ? `${bench}-quick` : bench;
  const { title, goals, sections, panels, extra = {} } = findings;
  const dir = join(process.cwd(), '.bench');
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, `${name}.svg`), barChart(title, panels));
  const markdown = [
    `# ${title}`,
    `![${title}](${name}.svg)`,
    conditionsOf(results, options),
    goalTable(goals),
    ...sections.map(([heading, body]) => `## ${heading}\n\n${body}`),
  ].join('\n\n');
  const judged = goals.map((goal) => ({ ...goal, met: isMet(goal) ?? null }));
  await writeReport(
    name,
    markdown,
    { options, goals: judged, ...extra, ...results },
    { args, json: options.json },
  );
  const failures = failuresOf(results);
  if (failures.length > 0) throw new Error(`${bench}: ${failures.join('\n')}`);
}
