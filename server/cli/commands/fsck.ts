import type { Command } from 'commander';

import { StoreRepair } from '../../../storage/fsck/repair.ts';
import { checkStore, type FsckReport } from '../../../storage/fsck/check.ts';
import { ServerError } from '../../errors.ts';
import { createManifestReader } from '../../oci/manifest-reader.ts';
import { scratchFolder } from '../../open-store.ts';
import { httpBlobSource } from '../blob-source.ts';
import { parseServerUrl } from '../http-client.ts';
import { createOutput, type Output } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

interface FsckOptions extends StoreFlags {
  readonly quick?: true;
  readonly repair?: true;
  readonly from?: string;
}

/** `rivulet fsck`: checks every digest, row and reference, and mends what can be mended. */
export function addFsck(program: Command): void {
  addStoreFlags(program.command('fsck'))
    .description('check every stored byte, row and reference; exit 1 when a fault remains')
    .option('--quick', 'do not read the bytes')
    .option('--repair', 'mend what can be mended; put damaged bytes aside under quarantine/')
    .option('--from <url>', 'with --repair: an origin or a cache to fetch lost blobs from')
    .addHelpText(
      'after',
      `
Exit codes: 0 no fault, or all mended; 1 faults remain; 2 wrong use.

Example:
  $ rivulet fsck --data ./rivulet-data --repair --from http://cache.example:8481`,
    )
    .action(fsck);
}

async function fsck(options: FsckOptions): Promise<void> {
  if (options.from !== undefined && options.repair !== true) {
    throw new ServerError('usage', '--from says where repairs come from: it needs --repair');
  }
  const elsewhere =
    options.from === undefined
      ? undefined
      : httpBlobSource(parseServerUrl(options.from), process.env['RIVULET_TOKEN']);
  const output = createOutput(options.json === true);
  const bar = output.bar('checking', 100, 'percent');
  const report = await withStore(options, ({ blobs, catalog }, { data }) => {
    const store = { objects: blobs.objects, catalog };
    return checkStore({
      ...store,
      quick: options.quick === true,
      readManifest: createManifestReader(),
      ...(options.repair === true && {
        repair: new StoreRepair({
          ...{ ...store, clock: Date.now, scratch: scratchFolder(data), elsewhere },
        }),
      }),
      onProgress: (fraction) => {
        bar.update(fraction * 100);
      },
    });
  });
  output.finish();
  tell(report, output);
}

function tell({ faults, absent, ...counts }: FsckReport, output: Output): void {
  for (const one of absent) {
    output.event({ event: 'absent', ...one });
    output.say(`absent: ${one.digest}: not pushed, or deleted; needed by ${one.affects}`);
  }
  for (const fault of faults) {
    output.event({ event: 'fault', ...fault });
    output.say(`${fault.kind}: ${fault.subject}: ${fault.affects}`);
    if (fault.repair === undefined) continue;
    output.say(`  ${fault.repair.repaired ? 'mended' : 'not mended'}: ${fault.repair.did}`);
  }
  const mended = faults.filter(({ repair }) => repair?.repaired === true).length;
  const left = faults.length - mended;
  output.event({ event: 'fsck', ...counts, absent: absent.length, faults: faults.length, mended });
  const outcome = mended > 0 ? `, ${mended} mended` : '';
  output.say(`checked ${counts.objects} objects: ${faults.length} faults${outcome}`);
  if (left > 0) throw new ServerError('damaged', `the store has ${left} faults, listed above`);
}
