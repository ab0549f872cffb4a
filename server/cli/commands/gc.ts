import { InvalidArgumentError, type Command } from 'commander';

import { collectGarbage } from '../../../storage/gc.ts';
import { createOutput, formatBytes } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

interface GcOptions extends StoreFlags {
  readonly grace: number;
  readonly dryRun?: true;
}

/** `rivulet gc`: removes what nothing reaches; may run beside a serving origin. */
export function addGc(program: Command): void {
  addStoreFlags(program.command('gc'))
    .description('remove blobs that no manifest, delta or chunk index reaches')
    .option('--grace <minutes>', 'spare what is younger', minutes, 60)
    .option('--dry-run', 'only say what would go')
    .addHelpText('after', '\nExample:\n  $ rivulet gc --data ./rivulet-data --dry-run')
    .action(gc);
}

async function gc(options: GcOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const dryRun = options.dryRun === true;
  const bar = output.bar('collecting', 100, 'percent');
  const report = await withStore(options, ({ blobs, catalog }, { matrix }) =>
    collectGarbage({
      objects: blobs.objects,
      catalog,
      clock: Date.now,
      graceMs: options.grace * 60_000,
      liveMs: matrix.liveMs,
      dryRun,
      onProgress: (fraction) => {
        bar.update(fraction * 100);
      },
    }),
  );
  output.finish();
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
