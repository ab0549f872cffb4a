import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { Profile } from '../../delta/build.ts';
import { fileDigest } from '../engine/file-digest.ts';
import { measure, type Use } from '../engine/measure.ts';
import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { formatCount, formatTable } from '../table.ts';
import { writeSparse } from './sparse-pair.ts';

const RIVULET = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url));
const SIZE = 4.5 * 2 ** 30;
const PROFILES: readonly Profile[] = ['small', 'fast'];

interface Row {
  readonly profile: Profile;
  readonly deltaBytes: number;
  readonly build: Use;
  readonly apply: Use;
}

/**
 * `npm run bench -- huge`: apply(old, build(old, new)) = new for sparse files of over 4 GiB, where offsets
 * no longer fit 32 bits. The folder for temporary files has to hold one such file without holes.
 */
export async function benchHuge(args: readonly string[]): Promise<void> {
  parseArgs({ args: [...args], options: {} });
  const { path: dir, remove } = await makeScratch('huge');
  try {
    const rows = await run(dir);
    await writeReport('huge', markdown(rows), { bytes: SIZE, rows }, { args });
  } finally {
    await remove();
  }
}

async function run(dir: string): Promise<readonly Row[]> {
  const paths = {
    old: join(dir, 'old'),
    new: join(dir, 'new'),
    delta: join(dir, 'delta'),
    made: join(dir, 'made'),
  };
  await writeSparse(paths.old, 'old', SIZE);
  await writeSparse(paths.new, 'new', SIZE);
  const wanted = await fileDigest(paths.new);
  const rows: Row[] = [];
  for (const profile of PROFILES) {
    const build = await measure(process.execPath, [
      ...[RIVULET, 'delta', 'build', paths.old, paths.new],
      ...['--out', paths.delta, '--profile', profile, '--no-proof'],
    ]);
    const apply = await measure(process.execPath, [
      ...[RIVULET, 'delta', 'apply', paths.old, paths.delta, '--out', paths.made],
    ]);
    const made = await fileDigest(paths.made);
    if (made !== wanted)
      throw new Error(`${profile}: made ${made ?? 'nothing'}, not ${wanted ?? ''}`);
    rows.push({ profile, deltaBytes: (await stat(paths.delta)).size, build, apply });
    await rm(paths.made);
  }
  return rows;
}

function markdown(rows: readonly Row[]): string {
  const seconds = (use: Use): string => use.wallSeconds.toFixed(0);
  const peak = (use: Use): string => (use.peakBytes / 1e6).toFixed(0);
  const table = formatTable(
    ['profile', 'delta bytes', 'build s', 'build peak MB', 'apply s', 'apply peak MB'],
    rows.map(({ profile, deltaBytes, build, apply }) => [
      profile,
      formatCount(deltaBytes),
      ...[seconds(build), peak(build), seconds(apply), peak(apply)],
    ]),
  );
  return `# Over 4 GiB\n\nTwo sparse files of ${formatCount(SIZE)} bytes; the file made from old and delta has the new one's sha256.\n\n${table}`;
}
