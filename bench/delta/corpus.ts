import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { fetchPackages, PACKAGES, type PinnedPackage } from '../demo/packages.ts';
import { writeTar, type LayerFile } from '../demo/tar-writer.ts';
import { readTarFiles } from '../tar-files.ts';

/** Two files on disk: the old version and the new one. */
export interface Pair {
  readonly name: string;
  readonly oldFile: string;
  readonly newFile: string;
  readonly newBytes: number;
}

/** Real consecutive releases: a native program for three architectures, and a tree as a tar. */
export async function makeCorpus(packagesDir: string, dir: string): Promise<Pair[]> {
  await mkdir(dir, { recursive: true });
  const pairs: Pair[] = [];
  for (const architecture of ['amd64', 'arm64', 'arm'] as const) {
    const versions = await contents(packagesDir, PACKAGES[architecture], (files) => {
      const program = files.find(({ path }) => path === 'package/bin/esbuild');
      if (program === undefined) throw new Error('the package has no bin/esbuild');
      return program.bytes;
    });
    pairs.push(await writePair(dir, `esbuild-${architecture}`, versions));
  }
  const trees = await contents(packagesDir, PACKAGES.tree, writeTar);
  pairs.push(await writePair(dir, 'date-fns.tar', trees));
  return pairs;
}

async function contents(
  packagesDir: string,
  packages: readonly PinnedPackage[],
  pick: (files: readonly LayerFile[]) => Buffer,
): Promise<readonly Buffer[]> {
  const tarballs = await fetchPackages(packagesDir, packages);
  return Promise.all(
    tarballs.map(async (tarball) => pick(await readTarFiles(gunzipSync(tarball)))),
  );
}

async function writePair(dir: string, name: string, versions: readonly Buffer[]): Promise<Pair> {
  const [before, after] = versions;
  if (before === undefined || after === undefined) throw new Error(`${name} needs two versions`);
  const pair = { name, oldFile: join(dir, `${name}.old`), newFile: join(dir, `${name}.new`) };
  await writeFile(pair.oldFile, before);
  await writeFile(pair.newFile, after);
  return { ...pair, newBytes: after.length };
}
