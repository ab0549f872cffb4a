import type { Command } from 'commander';

import { checkStore } from '../../../storage/fsck.ts';
import { loadServerConfig } from '../../config-load.ts';
import { openStore } from '../../open-store.ts';
import { createOutput } from '../output.ts';
import { StorageError } from '../../../storage/errors.ts';

/** `rivulet fsck`: checks every digest, row and reference. */
export function addFsck(program: Command): void {
  program
    .command('fsck')
    .description('check every stored byte and every row; exit 3 when something is wrong')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--config <file>', 'YAML or JSON settings')
    .option('--quick', 'do not read the bytes')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet fsck --data ./rivulet-data')
    .action(async (options: FsckOptions) => {
      const { data } = options;
      const config = await loadServerConfig({
        flags: { data },
        env: process.env,
        file: options.config,
      });
      const output = createOutput(options.json === true);
      const store = await openStore(config);
      try {
        const report = await checkStore({
          objects: store.blobs.objects,
          catalog: store.catalog,
          quick: options.quick === true,
        });
        for (const fault of report.faults) {
          output.event({ event: 'fault', ...fault });
          output.say(`${fault.kind}: ${fault.subject}: ${fault.affects}`);
        }
        output.event({ event: 'fsck', ...report, faults: report.faults.length });
        output.say(`checked ${report.objects} objects: ${report.faults.length} faults`);
        if (report.faults.length > 0) {
          throw new StorageError('corrupt', `the store has ${report.faults.length} faults`);
        }
      } finally {
        await store.close();
      }
    });
}

interface FsckOptions {
  readonly data?: string;
  readonly config?: string;
  readonly quick?: true;
  readonly json?: true;
}
