import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';

import { BLOCK_BYTES, parseTarHeader, isZeroBlock } from '../../storage/tar/header.ts';
import { writeTar, type LayerFile } from '../demo/tar-writer.ts';

const run = promisify(execFile);

/** Ten versions in a row of a bundler and of a compiler that have a native program for each architecture. */
const ESBUILD = [
  ...['0.27.0', '0.27.1', '0.27.2', '0.27.3', '0.27.4'],
  ...['0.27.5', '0.27.7', '0.28.0', '0.28.1', '0.28.2'],
] as const;
const ROLLUP = [
  ...['4.65.0', '4.67.2', '4.67.4', '4.68.0', '4.68.3'],
  ...['4.68.4', '4.68.5', '4.68.6', '4.68.7', '4.68.8'],
] as const;
const BASE = 'date-fns@4.1.0';

export const ARCHITECTURES = [
  { architecture: 'amd64', esbuild: 'linux-x64', rollup: 'linux-x64-gnu' },
  { architecture: 'arm64', esbuild: 'linux-arm64', rollup: 'linux-arm64-gnu' },
  { architecture: 'arm', esbuild: 'linux-arm', rollup: 'linux-arm-gnueabihf' },
] as const;

/** One architecture's image of one version: the layers' tars, lowest first. */
export interface CorpusImage {
  readonly version: number;
  readonly architecture: string;
  readonly base: Buffer;
  readonly app: Buffer;
}

/**
 * Images of an application: a base layer that never changes, and a layer with the packages of that version.
 * What npm fetches (and checks against the registry's integrity) is kept in `dir`. Versions are newest last;
 * fewer than ten are the last ones.
 */
export async function loadCorpus(dir: string, versions: number): Promise<readonly CorpusImage[]> {
  await mkdir(dir, { recursive: true });
  const base = writeTar(await filesOf(dir, BASE, 'opt/base'));
  const images: CorpusImage[] = [];
  for (let version = ESBUILD.length - versions; version < ESBUILD.length; version += 1) {
    const [esbuild = '', rollup = ''] = [ESBUILD[version], ROLLUP[version]];
    const shared = [
      ...(await filesOf(dir, `esbuild@${esbuild}`, 'app/node_modules/esbuild')),
      ...(await filesOf(dir, `rollup@${rollup}`, 'app/node_modules/rollup')),
    ];
    for (const { architecture, ...names } of ARCHITECTURES) {
      const native = [
        ...(await filesOf(dir, `@esbuild/${names.esbuild}@${esbuild}`, 'app/native/esbuild')),
        ...(await filesOf(dir, `@rollup/rollup-${names.rollup}@${rollup}`, 'app/native/rollup')),
      ];
      images.push({ version, architecture, base, app: writeTar([...shared, ...native]) });
    }
  }
  return images;
}

async function filesOf(dir: string, spec: string, below: string): Promise<readonly LayerFile[]> {
  const tar = gunzipSync(await packageOf(dir, spec));
  const files: LayerFile[] = [];
  for (let at = 0; at + BLOCK_BYTES <= tar.length;) {
    const block = tar.subarray(at, at + BLOCK_BYTES);
    const header = isZeroBlock(block) ? undefined : parseTarHeader(block);
    if (header === undefined) break;
    at += BLOCK_BYTES;
    if (header.type === '0') {
      const path = header.name.toString('utf8').replace(/^[^/]+/, below);
      const isProgram = /\/bin\//.test(path);
      const bytes = tar.subarray(at, at + header.size);
      files.push({ path, mode: isProgram ? 0o755 : 0o644, bytes });
    }
    at += Math.ceil(header.size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return files;
}

async function packageOf(dir: string, spec: string): Promise<Buffer> {
  const path = join(dir, `${spec.replace(/^@/, '').replace('/', '-')}.tgz`);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined) return kept;
  const scratch = `${path}.fetch`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch);
  try {
    const { stdout } = await run('npm', ['pack', spec, '--silent', '--pack-destination', scratch]);
    await rename(join(scratch, stdout.trim()), path);
    return await readFile(path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
