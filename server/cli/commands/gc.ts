import { InvalidArgumentError, type Command } from 'commander';

import { collect } from '../../collect.ts';
import { createOutput, formatBytes } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';
import { summarize } from './retention.ts';

interface GcOptions extends StoreFlags {
  readonly grace: number;
  readonly dryRun?: true;
  readonly retention: boolean;
}

/** `rivulet gc`: removes what nothing reaches; may run beside a serving origin. */
export function addGc(program: Command): void {
  addStoreFlags(program.command('gc'))
    .description('remove blobs that no manifest, delta or chunk index reaches')
    .option('--grace <minutes>', 'spare what is younger', minutes, 60)
    .option('--dry-run', 'only say what would go')
    .option('--no-retention', 'leave tags and manifests as they are, whatever the settings say')
    .addHelpText('after', '\nExample:\n  $ rivulet gc --data ./rivulet-data --dry-run')
    .action(gc);
}

async function gc(options: GcOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const dryRun = options.dryRun === true;
  const bar = output.bar('collecting', 100, 'percent');
  const { retained, report } = await withStore(options, (store, config) =>
    collect({
      ...{ store, config, clock: Date.now, dryRun },
      graceMs: options.grace * 60_000,
      retention: options.retention,
      onProgress: (fraction) => {
        bar.update(fraction * 100);
      },
    }),
  );
  output.finish();
  if (retained !== undefined) {
    const { tags, manifests, freesBytes } = retained;
    output.event({ event: 'retention', dryRun, tags, manifests, freesBytes });
    output.say(summarize(retained, dryRun));
  }
  output.event({ event: 'gc', dryRun, ...report });
  output.say(
    `${dryRun ? 'would remove' : 'removed'} ${report.removedBlobs} blobs (${formatBytes(report.removedBytes)}), kept ${report.keptBlobs}`,
  );
}

function minutes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('expected minutes, 0 or more');
  }
  return value;
}
