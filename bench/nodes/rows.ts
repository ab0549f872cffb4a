import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { makeScratch } from '../scratch.ts';
import { formatCount, formatTable } from '../table.ts';

export interface RowsOptions {
  /** Up to 10^5 chunks: shows that it runs. */
  readonly quick: boolean;
  /** Folder for the catalogs; one of 10^7 chunks takes some gigabytes. */
  readonly dir: string;
  /** Numbers of chunks, ascending; 10^4 to 10^7 unless given. */
  readonly chunks?: readonly number[] | undefined;
}

/** One step in a process of its own. */
interface StepCost {
  readonly ms: number;
  /** User and system, which other processes disturb less. */
  readonly cpuMs: number;
  /** Most resident memory beyond what the process had before the step. */
  readonly heldBytes: number;
}

export interface RowsRow {
  readonly chunks: number;
  /** Of the catalog's file. */
  readonly catalogBytes: number;
  readonly fsck: StepCost & { readonly rows: number; readonly faults: number };
  readonly gc: StepCost & { readonly removedBlobs: number; readonly keptBlobs: number };
}

const ONCE = fileURLToPath(new URL('./rows-once.js', import.meta.url));
const CHUNKS = [1e4, 1e5, 1e6, 1e7];
const QUICK = [1e4, 1e5];
const run = promisify(execFile);

/**
 * `fsck --quick`, then a collection of a tenth, against the number of chunks: real code over rows that
 * the catalog's own calls wrote, and a listing of objects that costs nothing.
 */
export async function runRows({ quick, dir, chunks }: RowsOptions): Promise<readonly RowsRow[]> {
  const rows: RowsRow[] = [];
  for (const count of chunks ?? (quick ? QUICK : CHUNKS)) {
    process.stderr.write(`gc and fsck with ${formatCount(count)} chunks\n`);
    rows.push(await measure(dir, count));
  }
  return rows;
}

async function measure(dir: string, chunks: number): Promise<RowsRow> {
  const { path: folder, remove } = await makeScratch('rows', dir);
  const path = join(folder, 'catalog.sqlite');
  const step = async (name: string): Promise<unknown> => {
    const { stdout } = await run(process.execPath, [ONCE, name, path, String(chunks)]);
    return JSON.parse(stdout);
  };
  try {
    await step('fill');
    const { size: catalogBytes } = await stat(path);
    const fsck = (await step('fsck')) as RowsRow['fsck'];
    const gc = (await step('gc')) as RowsRow['gc'];
    return { chunks, catalogBytes, fsck, gc };
  } finally {
    await remove();
  }
}

/**
 * How the cost of a chunk grew from the smallest to the largest: 1 is linear, less is better. Undefined
 * for fewer than two.
 */
export function growthPerChunk(rows: readonly RowsRow[], step: 'gc' | 'fsck'): number | undefined {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  return last[step].cpuMs / last.chunks / (first[step].cpuMs / first.chunks);
}

export function rowsMarkdown(rows: readonly RowsRow[]): string {
  const cost = ({ ms, cpuMs, heldBytes }: StepCost): string[] => [
    `${(ms / 1000).toFixed(2)} s`,
    `${(cpuMs / 1000).toFixed(2)} s`,
    `${(heldBytes / 1e6).toFixed(0)} MB`,
  ];
  const head = ['chunks', 'catalog', 'fsck', 'CPU', 'holds', 'gc', 'CPU', 'holds', 'removes'];
  const table = formatTable(
    head,
    rows.map(({ chunks, catalogBytes, fsck, gc }) => [
      ...[formatCount(chunks), `${(catalogBytes / 1e6).toFixed(0)} MB`],
      ...[...cost(fsck), ...cost(gc), formatCount(gc.removedBlobs)],
    ]),
  );
  const growths = (['fsck', 'gc'] as const).flatMap((step) => {
    const growth = growthPerChunk(rows, step);
    return growth === undefined ? [] : [`${step} ${growth.toFixed(2)}`];
  });
  const note = `CPU of a chunk, the largest by the smallest: ${growths.join(', ')} (1 is linear).`;
  return `${table}\n\n${growths.length === 0 ? '' : `${note}\n`}`;
}
