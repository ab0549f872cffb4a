import type { Command } from 'commander';

import { moveCatalog } from '../../../storage/catalog/move/move-catalog.ts';
import { loadServerConfig } from '../../config-load.ts';
import { ServerError } from '../../errors.ts';
import { catalogFile, postgresLocation } from '../../open-store.ts';
import { createOutput } from '../output.ts';

interface MigrateCatalogOptions {
  readonly data?: string;
  readonly from?: string;
  readonly to: string;
  readonly json?: true;
}

/** `rivulet migrate-catalog`: moves the catalog of a stopped origin from SQLite to PostgreSQL. */
export function addMigrateCatalog(program: Command): void {
  program
    .command('migrate-catalog')
    .description('copy the catalog of a stopped origin into an empty PostgreSQL database')
    .requiredOption('--to <file>', 'settings as the origin shall have them, with the new catalog')
    .option('--from <file>', 'settings as the origin has them')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet migrate-catalog --data ./origin --to rivulet-cluster.yaml',
    )
    .action(migrateCatalog);
}

async function migrateCatalog(options: MigrateCatalogOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const load = (file: string | undefined): ReturnType<typeof loadServerConfig> =>
    loadServerConfig({ flags: { data: options.data }, env: process.env, file });
  const [source, target] = [await load(options.from), await load(options.to)];
  if (target.catalog.kind !== 'postgres' || source.catalog.kind !== 'sqlite') {
    throw new ServerError(
      'usage',
      `a catalog moves from SQLite to PostgreSQL: set catalog.url in ${options.to} only, and RIVULET_CATALOG_* not at all`,
    );
  }
  const bar = output.bar('rows', 100, 'percent');
  const report = await moveCatalog({
    from: catalogFile(source.data),
    to: await postgresLocation(target.catalog),
    onProgress: (done, total) => {
      bar.update((done / total) * 100);
    },
  });
  output.finish();
  output.event({ event: 'migrated', ...report });
  output.say(`${report.rows} rows in ${report.tables.length} tables copied and compared`);
  for (const line of [
    'next: start the origins with the new settings, and let them be checked',
    `  rivulet serve --config ${options.to}`,
    `  rivulet fsck --config ${options.to} --quick`,
    `${catalogFile(source.data)} is as it was: what is pushed to an origin that still uses it is not in PostgreSQL`,
  ]) {
    output.say(line);
  }
}
