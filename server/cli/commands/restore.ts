import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Command } from 'commander';

import { copyStore } from '../../../storage/backup.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { installSnapshot, snapshotSqlite } from '../../../storage/catalog/sqlite-snapshot.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { makeDirectory } from '../../../storage/durable.ts';
import { loadServerConfig } from '../../config-load.ts';
import { ServerError } from '../../errors.ts';
import { catalogFile, objectsFolder, openObjects } from '../../open-store.ts';
import { createOutput } from '../output.ts';
import { addStoreFlags, type StoreFlags } from '../with-store.ts';
import { refusePostgres, tellCopied } from './backup.ts';

interface RestoreOptions extends StoreFlags {
  readonly from: string;
}

/** `rivulet restore`: a store out of a backup. */
export function addRestore(program: Command): void {
  addStoreFlags(program.command('restore'))
    .description('make a store of a backup, in a folder or in the bucket that the settings name')
    .requiredOption('--from <dir>', 'what `rivulet backup` made')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet restore --from /mnt/backup --data ./rivulet-data',
    )
    .action(restore);
}

async function restore(options: RestoreOptions): Promise<void> {
  const { data: folder, config: file } = options;
  const config = await loadServerConfig({ flags: { data: folder }, env: process.env, file });
  const { data } = config;
  refusePostgres(config.catalog);
  if (!(await exists(catalogFile(options.from)))) {
    throw new ServerError(
      'not_found',
      `${options.from} holds no catalog.sqlite: no backup is there`,
    );
  }
  if (await exists(catalogFile(data))) {
    throw new ServerError('usage', `${data} has a catalog already: restore into another folder`);
  }
  const output = createOutput(options.json === true);
  await makeDirectory(data);
  const snapshot = join(data, 'catalog.sqlite.new');
  const catalog = await openSqliteCatalog(catalogFile(options.from), Date.now);
  try {
    const report = await copyStore({
      from: { objects: await openFsStore(objectsFolder(options.from)), catalog },
      to: await openObjects(config),
      snapshot: async () => {
        await snapshotSqlite(catalogFile(options.from), snapshot);
        return openSqliteCatalog(snapshot, Date.now);
      },
    });
    await installSnapshot(snapshot, catalogFile(data));
    tellCopied('restore', report, output);
  } finally {
    await catalog.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
