import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { digestOf } from '../../storage/digest.ts';
import { runRivulet } from '../demo/programs.ts';
import { writeReport } from '../report-files.ts';
import { formatCount, formatTable, geometricMean } from '../table.ts';
import { makeCorpus, type Pair } from './corpus.ts';
import { findPeers, type Peer } from './peers.ts';

/** One coder on one pair. */
interface Cell {
  readonly bytes: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
}

type Coder = Pick<Peer, 'title' | 'encode' | 'decode'>;

const OURS: Coder = {
  title: 'rivulet small',
  async encode(from, to, delta) {
    await runRivulet(['delta', 'build', '--old', from, '--new', to, '--out', delta]);
  },
  async decode(from, delta, output) {
    await runRivulet(['delta', 'apply', '--old', from, '--delta', delta, '--out', output]);
  },
};

/**
 * `npm run bench -- delta`: delta sizes on real consecutive releases against the peers that are
 * installed, every one of them applied again and compared in the same run.
 */
export async function benchDelta(): Promise<void> {
  const peers = await findPeers();
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-bench-'));
  try {
    const pairs = await makeCorpus(join(process.cwd(), '.demo', 'packages'), dir);
    const coders: Coder[] = [OURS, ...peers];
    const rows: { pair: string; newBytes: number; cells: Cell[] }[] = [];
    for (const pair of pairs) {
      const cells: Cell[] = [];
      for (const coder of coders) cells.push(await measure(coder, pair, dir));
      rows.push({ pair: pair.name, newBytes: pair.newBytes, cells });
    }
    const titles = coders.map(({ title }) => title);
    const tools = peers.map(({ tool }) => tool);
    await writeReport('delta', markdown(titles, rows, tools), { titles, tools, rows });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(coder: Coder, pair: Pair, dir: string): Promise<Cell> {
  const delta = join(dir, 'delta');
  const made = join(dir, 'made');
  const begun = performance.now();
  await coder.encode(pair.oldFile, pair.newFile, delta);
  const encoded = performance.now();
  await coder.decode(pair.oldFile, delta, made);
  const decoded = performance.now();
  const [expected, actual] = await Promise.all([readFile(pair.newFile), readFile(made)]);
  if (digestOf(expected) !== digestOf(actual)) {
    throw new Error(`${coder.title} does not give back ${pair.name}`);
  }
  const { size } = await stat(delta);
  await rm(delta);
  await rm(made);
  return { bytes: size, encodeMs: encoded - begun, decodeMs: decoded - encoded };
}

function markdown(
  titles: readonly string[],
  rows: readonly { pair: string; newBytes: number; cells: readonly Cell[] }[],
  tools: readonly { name: string; version: string }[],
): string {
  const sizes = rows.map(({ pair, newBytes, cells }) => [
    pair,
    formatCount(newBytes),
    ...cells.map(({ bytes }) => formatCount(bytes)),
  ]);
  const ratios = titles.map((_, column) => {
    const perPair = rows.map(({ cells }) => (cells[0]?.bytes ?? 0) / (cells[column]?.bytes ?? 0));
    return geometricMean(perPair).toFixed(3);
  });
  const seconds = titles.map((_, column) => {
    const total = (pick: (cell: Cell) => number): string =>
      (
        rows.reduce((sum, { cells }) => sum + (cells[column] ? pick(cells[column]) : 0), 0) / 1000
      ).toFixed(1);
    return `${total(({ encodeMs }) => encodeMs)} / ${total(({ decodeMs }) => decodeMs)}`;
  });
  const table = formatTable(
    ['pair', 'new bytes', ...titles],
    [
      ...sizes,
      ['rivulet / this, geometric mean', '', ...ratios],
      ['build / apply, seconds in all', '', ...seconds],
    ],
  );
  const versions = tools.map(({ name, version }) => `${name}: ${version}`).join('; ');
  return `Delta sizes in bytes; every delta applied and compared. Wall seconds, process start included. ${versions}\n\n${table}`;
}
