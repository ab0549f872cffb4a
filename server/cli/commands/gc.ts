import { InvalidArgumentError, type Command } from 'commander';

import { collectGarbage } from '../../../storage/gc.ts';
import { loadServerConfig } from '../../config-load.ts';
import { openStore } from '../../open-store.ts';
import { createOutput, formatBytes } from '../output.ts';

/** `rivulet gc`: removes what nothing reaches; may run beside a serving origin. */
export function addGc(program: Command): void {
  program
    .command('gc')
    .description('remove blobs that no manifest, delta or chunk index reaches')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--config <file>', 'YAML or JSON settings')
    .option('--grace <minutes>', 'spare what is younger', minutes, 60)
    .option('--dry-run', 'only say what would go')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet gc --data ./rivulet-data --dry-run')
    .action(async (options: GcOptions) => {
      const { data } = options;
      const config = await loadServerConfig({
        flags: { data },
        env: process.env,
        file: options.config,
      });
      const output = createOutput(options.json === true);
      const store = await openStore(config);
      try {
        const report = await collectGarbage({
          objects: store.blobs.objects,
          catalog: store.catalog,
          clock: Date.now,
          graceMs: options.grace * 60_000,
          dryRun: options.dryRun === true,
        });
        output.event({ event: 'gc', dryRun: options.dryRun === true, ...report });
        const verb = options.dryRun === true ? 'would remove' : 'removed';
        output.say(
          `${verb} ${report.removedBlobs} blobs (${formatBytes(report.removedBytes)}), kept ${report.keptBlobs}`,
        );
      } finally {
        await store.close();
      }
    });
}

interface GcOptions {
  readonly data?: string;
  readonly config?: string;
  readonly grace: number;
  readonly dryRun?: true;
  readonly json?: true;
}

function minutes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('expected minutes, 0 or more');
  return value;
}
