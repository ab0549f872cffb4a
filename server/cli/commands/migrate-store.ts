import { resolve } from 'node:path';

import { InvalidArgumentError, type Command } from 'commander';

import { Pacer } from '../../../delta/agent/meter.ts';
import { parseBytes } from '../../../delta/agent/spend/quota.ts';
import {
  copyObjects,
  measureObjects,
  type CopyObjectsReport,
} from '../../../storage/copy-objects.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { loadServerConfig } from '../../config-load.ts';
import type { ServerConfig } from '../../config.ts';
import { ServerError } from '../../errors.ts';
import { openObjects, openStore, type OpenedStore } from '../../open-store.ts';
import { createOutput, formatBytes, type Output } from '../output.ts';

interface MigrateStoreOptions {
  readonly data?: string;
  readonly from?: string;
  readonly to: string;
  readonly limit: number;
  readonly final?: true;
  readonly verify?: true;
  readonly json?: true;
}

/** Passes of one run beside a busy origin; what is pushed after the last one is the final run's. */
const MAX_PASSES = 5;

/** `rivulet migrate-store`: moves the objects of an origin into another store while it serves. */
export function addMigrateStore(program: Command): void {
  program
    .command('migrate-store')
    .description('copy every object into another store, a folder into an S3 bucket above all')
    .requiredOption('--to <file>', 'settings as the origin shall have them, with the new store')
    .option('--from <file>', 'settings as the origin has them (default: a folder under --data)')
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--limit <bytes>', 'bytes per second at most, such as 20MB', rate, 0)
    .option('--verify', 'also read back and check all that is in the new store')
    .option('--final', 'the origin is stopped: the last pass, then look that nothing is missing')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet migrate-store --data ./origin --to rivulet-s3.yaml --limit 20MB',
    )
    .action(migrateStore);
}

async function migrateStore(options: MigrateStoreOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const load = (file: string | undefined): Promise<ServerConfig> =>
    loadServerConfig({ flags: { data: options.data }, env: process.env, file });
  const [source, target] = [await load(options.from), await load(options.to)];
  refuseUnfit(source, target, options.to);
  const opened = await openStore(source);
  try {
    const to = await openObjects(target);
    await copy(opened.blobs.objects, to, options, output);
    if (options.final === true) await checkWhole(opened, to, output);
  } finally {
    await opened.close();
  }
  for (const line of nextSteps(options, opened.blobs.objects.name)) output.say(line);
}

function refuseUnfit(source: ServerConfig, target: ServerConfig, file: string): void {
  const place = ({ data, store }: ServerConfig): string =>
    store.kind === 'fs' ? resolve(data) : `${store.endpoint} ${store.bucket} ${store.prefix}`;
  if (source.store.kind === target.store.kind && place(source) === place(target)) {
    throw new ServerError(
      'usage',
      `${file} names the store that is moved: RIVULET_STORE_* variables go before both files`,
    );
  }
  const embedded = target.catalog.kind === 'sqlite';
  if (embedded && target.store.kind === 's3' && resolve(source.data) !== resolve(target.data)) {
    throw new ServerError(
      'usage',
      `the catalog stays in ${source.data}: set data in ${file} to that, or give --data`,
    );
  }
}

async function copy(
  from: ObjectStore,
  to: ObjectStore,
  options: MigrateStoreOptions,
  output: Output,
): Promise<void> {
  const bar = output.bar(
    options.final === true ? 'last pass' : 'copying',
    await measureObjects(from),
    'bytes',
  );
  const pacer = new Pacer(options.limit, Date.now);
  const unhurried = new AbortController().signal;
  const passes = options.final === true ? 1 : MAX_PASSES;
  for (let pass = 1; pass <= passes; pass += 1) {
    const report = await copyObjects({
      from,
      to,
      readBack: options.verify,
      pace: (bytes) => pacer.spend(bytes, unhurried),
      onProgress: (bytes) => {
        bar.update(bytes);
      },
    });
    tell(pass, report, output);
    if (report.copied === 0 || pass === passes) break;
  }
  output.finish();
}

function tell(pass: number, report: CopyObjectsReport, output: Output): void {
  const { damaged, ...counts } = report;
  output.event({ event: 'pass', pass, ...counts, damaged: damaged.length });
  output.say(
    `pass ${pass}: ${counts.objects} objects (${formatBytes(counts.bytes)}), copied ${counts.copied} (${formatBytes(counts.copiedBytes)})`,
  );
  for (const key of damaged) {
    output.event({ event: 'damaged', key });
    output.say(`not copied, since its bytes are not what its digest says: ${key}`);
  }
  if (damaged.length > 0) {
    output.finish();
    throw new ServerError(
      'damaged',
      `${damaged.length} objects are damaged: run rivulet fsck --repair here, then this again`,
    );
  }
}

/** Every row of the catalog has its bytes in the new store. */
async function checkWhole(
  { catalog }: OpenedStore,
  to: ObjectStore,
  output: Output,
): Promise<void> {
  const report = await checkStore({ objects: to, catalog, quick: true });
  for (const fault of report.faults) {
    output.event({ event: 'fault', ...fault });
    output.say(`${fault.kind}: ${fault.subject}: ${fault.affects}`);
  }
  output.event({ event: 'checked', rows: report.rows, faults: report.faults.length });
  output.say(
    `every row looked up in ${to.name}: ${report.rows} rows, ${report.faults.length} faults`,
  );
  if (report.faults.length > 0) {
    throw new ServerError('damaged', `${to.name} is not whole: do not switch to it yet`);
  }
}

function nextSteps({ to, final, from, data }: MigrateStoreOptions, old: string): readonly string[] {
  const place = [...(data === undefined ? [] : ['--data', data])].join(' ');
  const flags = [place, ...(from === undefined ? [] : [`--from ${from}`]), `--to ${to}`]
    .filter((flag) => flag !== '')
    .join(' ');
  if (final !== true) {
    return [
      'next: stop every origin and worker, then run',
      `  rivulet migrate-store ${flags} --final`,
    ];
  }
  return [
    'next: start the origin with the new settings, and let it check every byte',
    `  rivulet serve --config ${to}${place === '' ? '' : ` ${place}`}`,
    `  rivulet fsck --config ${to}${place === '' ? '' : ` ${place}`}`,
    `${old} is as it was: remove it once you are sure; an origin that was started on it again meanwhile has to be moved again`,
  ];
}

function rate(text: string): number {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
