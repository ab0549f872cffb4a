import { gunzipSync } from 'node:zlib';

import type { Platform } from '../../storage/descriptor.ts';
import { fetchPackages, PACKAGES } from './packages.ts';
import { readTarFiles } from '../tar-files.ts';
import type { PlatformImage } from './release.ts';
import { writeTar, type LayerFile } from './tar-writer.ts';

export const PLATFORMS = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
] as const satisfies readonly Platform[];

/** The content of both releases: per platform a layer that stays, a tree of small files, a program. */
export async function makeReleases(
  packagesDir: string,
): Promise<readonly [readonly PlatformImage[], readonly PlatformImage[]]> {
  const [baseTgz] = await fetchPackages(packagesDir, [PACKAGES.base]);
  const base = await layerOf(baseTgz, 'usr/share/nodejs/lodash');
  const trees = await Promise.all(
    (await fetchPackages(packagesDir, PACKAGES.tree)).map((tgz) =>
      layerOf(tgz, 'app/node_modules/date-fns'),
    ),
  );
  const programs = new Map<string, Buffer[]>();
  for (const { architecture } of PLATFORMS) {
    const tarballs = await fetchPackages(packagesDir, PACKAGES[architecture]);
    programs.set(architecture, await Promise.all(tarballs.map(programLayer)));
  }
  const release = (number: 0 | 1): PlatformImage[] =>
    PLATFORMS.map((platform) => ({
      platform,
      layers: [
        { what: 'base libraries', tar: base },
        { what: 'application modules', tar: present(trees[number]) },
        { what: 'native program', tar: present(programs.get(platform.architecture)?.[number]) },
      ],
    }));
  return [release(0), release(1)];
}

async function layerOf(tgz: Buffer | undefined, folder: string): Promise<Buffer> {
  const files = await packageFiles(present(tgz));
  return writeTar(files.map((file) => ({ ...file, path: `${folder}/${file.path}` })));
}

/** The package's native program as `usr/bin/esbuild`. */
async function programLayer(tgz: Buffer): Promise<Buffer> {
  const program = (await packageFiles(tgz)).find(({ path }) => path === 'bin/esbuild');
  return writeTar([{ ...present(program), path: 'usr/bin/esbuild', mode: 0o755 }]);
}

/** The files of an npm tarball, without its `package/` folder. */
async function packageFiles(tgz: Buffer): Promise<LayerFile[]> {
  return (await readTarFiles(gunzipSync(tgz))).map((file) => ({
    ...file,
    path: file.path.slice(file.path.indexOf('/') + 1),
  }));
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a package of the demo lacks what it should hold');
  return value;
}
