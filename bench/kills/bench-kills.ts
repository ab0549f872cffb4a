import { fileURLToPath } from 'node:url';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { parseKillsOptions } from './options.ts';
import { killsMarkdown } from './report.ts';
import { runKills } from './run-kills.ts';

const DIST = fileURLToPath(new URL('../..', import.meta.url));
const SHOWN_EVERY = 25;

/**
 * `npm run bench -- kills [--kills N] [--minutes M] [--seed S] [--quick]`: a busy origin and a collector
 * beside it, killed again and again; after each time everything acknowledged is read and compared, and fsck
 * looks. Throws when anything is lost, damaged or stuck. The same short in test/bench/kills.test.ts.
 */
export async function benchKills(args: readonly string[]): Promise<void> {
  const { kills, seed, minutes, quick } = parseKillsOptions(args);
  process.stderr.write(`seed ${seed}\n`);
  const { path: dir, remove } = await makeScratch('kills');
  try {
    let shown = 0;
    const result = await runKills({
      ...{ dist: DIST, dir, kills, seed, minutes },
      onProgress: ({ kills: done, acknowledged, findings }) => {
        for (; shown < findings.length; shown += 1) process.stderr.write(`${findings[shown]}\n`);
        if (done % SHOWN_EVERY !== 0) return;
        process.stderr.write(
          `${done} of ${kills} kills, ${acknowledged} acknowledged, ${findings.length} findings\n`,
        );
      },
    });
    const name = quick ? 'kills-quick' : 'kills';
    await writeReport(name, killsMarkdown(result, seed), { seed, ...result }, { args });
    if (result.findings.length > 0)
      throw new Error(`${result.findings.length} findings: see above`);
    if (result.stuck > 0) throw new Error(`${result.stuck} rows are stuck`);
  } finally {
    await remove();
  }
}
