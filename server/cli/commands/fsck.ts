import type { Command } from 'commander';

import { StorageError } from '../../../storage/errors.ts';
import { checkStore } from '../../../storage/fsck.ts';
import { createOutput } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

interface FsckOptions extends StoreFlags {
  readonly quick?: true;
}

/** `rivulet fsck`: checks every digest, row and reference. */
export function addFsck(program: Command): void {
  addStoreFlags(program.command('fsck'))
    .description('check every stored byte and every row; exit 3 when something is wrong')
    .option('--quick', 'do not read the bytes')
    .addHelpText('after', '\nExample:\n  $ rivulet fsck --data ./rivulet-data')
    .action(fsck);
}

async function fsck(options: FsckOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const bar = output.bar('checking', 100, 'percent');
  const report = await withStore(options, ({ blobs, catalog }) =>
    checkStore({
      objects: blobs.objects,
      catalog,
      quick: options.quick === true,
      onProgress: (fraction) => {
        bar.update(fraction * 100);
      },
    }),
  );
  output.finish();
  const { faults, absent, ...counts } = report;
  for (const one of absent) {
    output.event({ event: 'absent', ...one });
    output.say(`absent: ${one.digest}: not pushed, or deleted; needed by ${one.affects}`);
  }
  for (const fault of faults) {
    output.event({ event: 'fault', ...fault });
    output.say(`${fault.kind}: ${fault.subject}: ${fault.affects}`);
  }
  output.event({ event: 'fsck', ...counts, absent: absent.length, faults: faults.length });
  output.say(`checked ${report.objects} objects: ${faults.length} faults`);
  if (faults.length > 0) {
    throw new StorageError('corrupt', `the store has ${faults.length} faults, listed above`);
  }
}
