import { join } from 'node:path';

import type { Command } from 'commander';

import { copyStore, type BackupReport } from '../../../storage/backup.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { installSnapshot, snapshotSqlite } from '../../../storage/catalog/sqlite-snapshot.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import type { ServerConfig } from '../../config.ts';
import { ServerError } from '../../errors.ts';
import { catalogFile, objectsFolder } from '../../open-store.ts';
import { createOutput, formatBytes, type Output } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

interface BackupOptions extends StoreFlags {
  readonly out: string;
}

/** `rivulet backup`: a copy of a store that is in use. */
export function addBackup(program: Command): void {
  addStoreFlags(program.command('backup'))
    .description('copy the store and the catalog while they are in use; again: only what is new')
    .requiredOption('--out <dir>', 'folder of the copy, which is one that fsck and serve take')
    .addHelpText('after', '\nExample:\n  $ rivulet backup --data ./rivulet-data --out /mnt/backup')
    .action(backup);
}

async function backup(options: BackupOptions): Promise<void> {
  const { out } = options;
  const output = createOutput(options.json === true);
  const report = await withStore(options, async ({ blobs, catalog }, { data, catalog: kind }) => {
    refusePostgres(kind);
    const to = await openFsStore(objectsFolder(out));
    const snapshot = join(out, 'catalog.sqlite.new');
    const copied = await copyStore({
      from: { objects: blobs.objects, catalog },
      to,
      snapshot: async () => {
        await snapshotSqlite(catalogFile(data), snapshot);
        return openSqliteCatalog(snapshot, Date.now);
      },
    });
    await installSnapshot(snapshot, catalogFile(out));
    return copied;
  });
  tellCopied('backup', report, output);
}

/** Copying a PostgreSQL catalog is its own tools' work. */
export function refusePostgres(catalog: ServerConfig['catalog']): void {
  if (catalog.kind !== 'postgres') return;
  throw new ServerError(
    'usage',
    'the catalog is in PostgreSQL: migrate-store, pg_dump, migrate-store again, as "Backup" in docs/operate.md says',
  );
}

/** Reports a copy; throws when the store that was copied has faults. */
export function tellCopied(event: string, report: BackupReport, output: Output): void {
  const { faults, ...counts } = report;
  for (const { digest, reason } of faults) {
    output.event({ event: 'fault', digest, reason });
    output.say(`not copied: ${digest}: ${reason}`);
  }
  output.event({ event, ...counts, faults: faults.length });
  output.say(
    `${counts.objects} objects, ${counts.copied} of them copied (${formatBytes(counts.copiedBytes)})`,
  );
  if (faults.length > 0) {
    throw new ServerError('damaged', `${faults.length} objects are lost or damaged: run fsck`);
  }
}
