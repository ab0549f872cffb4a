import type { Command } from 'commander';

import { retain, type RetentionReport } from '../../../storage/retention/retention.ts';
import { retentionPolicy } from '../../retention/rules.ts';
import { createOutput, formatBytes } from '../output.ts';
import { formatTable, type Column } from '../table.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

/** `rivulet retention`: what of tags and manifests stays by the configured policy. */
export function addRetention(program: Command): void {
  const retention = program
    .command('retention')
    .description('keep of tags and manifests what the policy says (settings "retention")')
    .addHelpText('after', '\nExample:\n  $ rivulet retention preview --config rivulet.yaml');
  addStoreFlags(retention.command('preview'))
    .description('say of each tag why it stays, or by which rule it would go')
    .addHelpText('after', '\nExample:\n  $ rivulet retention preview --config rivulet.yaml')
    .action((flags: StoreFlags) => run(flags, true));
  addStoreFlags(retention.command('apply'))
    .description('remove what would go; the bytes go with the next gc')
    .addHelpText('after', '\nExample:\n  $ rivulet retention apply --config rivulet.yaml')
    .action((flags: StoreFlags) => run(flags, false));
}

const COLUMNS: readonly Column[] = [
  { head: 'repository', align: 'left' },
  { head: 'tag or manifest', align: 'left' },
  { head: 'pushed', align: 'left' },
  { head: 'verdict', align: 'left' },
  { head: 'because', align: 'left' },
  { head: 'frees', align: 'right' },
];

async function run(flags: StoreFlags, dryRun: boolean): Promise<void> {
  const output = createOutput(flags.json === true);
  const { report, rules } = await withStore(flags, async ({ catalog }, config) => ({
    rules: config.retention.length,
    report: await retain({ catalog, nowMs: Date.now(), policy: retentionPolicy(config), dryRun }),
  }));
  const { verdicts, ...totals } = report;
  for (const { repo, tag, digest, goes, why, sinceMs, freesBytes } of verdicts) {
    const since = new Date(sinceMs).toISOString();
    output.event({ event: 'verdict', repository: repo, tag, digest, goes, why, since, freesBytes });
  }
  output.event({ event: 'retention', dryRun, rules, ...totals });
  if (rules === 0) output.say('no rules: set "retention" in the configuration');
  else for (const line of tableOf(report, dryRun)) output.say(line);
  output.say(summarize(report, dryRun));
}

function tableOf({ verdicts }: RetentionReport, dryRun: boolean): readonly string[] {
  const gone = dryRun ? 'would go' : 'goes';
  return formatTable(
    COLUMNS,
    verdicts.map(({ repo, tag, digest, goes, why, sinceMs, freesBytes }) => [
      repo,
      tag ?? digest.slice(0, 19),
      new Date(sinceMs).toISOString().slice(0, 16).replace('T', ' '),
      goes ? gone : 'stays',
      why,
      freesBytes > 0 ? formatBytes(freesBytes) : '',
    ]),
  );
}

/** One line of totals. */
export function summarize(report: RetentionReport, dryRun: boolean): string {
  const { tags, manifests, freesBytes } = report;
  return `${dryRun ? 'would remove' : 'removed'} ${tags} tags, ${manifests} manifests; gc ${dryRun ? 'could then free' : 'can free'} ${formatBytes(freesBytes)}`;
}
