import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A public npm package at an exact version, with the integrity that its tarball must have. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity: `sha512-` and base64. */
  readonly integrity: string;
}

/** What the demo's two releases are made of. */
export const PACKAGES = {
  amd64: [
    pin(
      '@esbuild/linux-x64',
      '0.28.1',
      'u/anNYF2mmVOEDwLtnQ1wOr3EZ9sTNGLWrsYGYwHWzGA3Si84IOkHXlbWTD1NB+9/1lcnweYKO54uhxZydNzfA==',
    ),
    pin(
      '@esbuild/linux-x64',
      '0.28.2',
      '4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ==',
    ),
  ],
  arm64: [
    pin(
      '@esbuild/linux-arm64',
      '0.28.1',
      'yHs+0uc8+nvEAfAfxrWQKK5peSNzBc4PegcMO0EJ2hT71uA7vB8Ihg2e77R2P7SG5uYjPbHlLLmve4LLLRCf0g==',
    ),
    pin(
      '@esbuild/linux-arm64',
      '0.28.2',
      'pW4AC0P3it8c7do9MVM4p51FzHzdM/TZrerurgRcHJ2WTa1VQ1CIq18xncfpBJw4ojkiZZrKW2yIBWBP92j6Ug==',
    ),
  ],
  arm: [
    pin(
      '@esbuild/linux-arm',
      '0.28.1',
      'qVXBOHQS+d5Y722GwJzJUtOLlX7km3CraOaGormF1pDtPd2C/l1SHRPgjLunLGe51Sh5YYWKMFDyV4SxgMQYTQ==',
    ),
    pin(
      '@esbuild/linux-arm',
      '0.28.2',
      'XlDnu2q5yoqems+xay6wSAcg9DDD7K9RLKZEBOMZm3ckNpJBvOX20tSfby8KfrrhINDyv9V2YVZKY/SpoGJI8w==',
    ),
  ],
  tree: [
    pin(
      'date-fns',
      '4.0.0',
      '6K33+I8fQ5otvHgLIvKK1xmMbLAh0pduyrx7dwMXKiGYeoWhmk6M3Zoak9n7bXHMJQlHq1yqmdGy1QxKddJjUA==',
    ),
    pin(
      'date-fns',
      '4.1.0',
      'Ukq0owbQXxa/U3EGtsdVBkR1w7KOQ5gIBqdH2hkvknzZPYvBxb/aa6E8L7tmjFtkwZBu3UXBbjIgPo/Ez4xaNg==',
    ),
  ],
  base: pin(
    'lodash',
    '4.17.21',
    'v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==',
  ),
} as const;

function pin(name: string, version: string, sha512: string): PinnedPackage {
  return { name, version, integrity: `sha512-${sha512}` };
}

/** Fetches packages with `npm pack` unless the folder has them; returns the tarballs in order. */
export async function fetchPackages(
  dir: string,
  packages: readonly PinnedPackage[],
): Promise<Buffer[]> {
  await mkdir(dir, { recursive: true });
  const tarballs: Buffer[] = [];
  for (const pkg of packages) tarballs.push(await fetchPackage(dir, pkg));
  return tarballs;
}

async function fetchPackage(dir: string, pkg: PinnedPackage): Promise<Buffer> {
  const path = join(dir, `${pkg.name.replace('@', '').replace('/', '-')}-${pkg.version}.tgz`);
  const kept = await readIfThere(path);
  if (kept !== undefined && integrityOf(kept) === pkg.integrity) return kept;
  const scratch = `${path}.fetch`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch);
  try {
    const args = ['pack', `${pkg.name}@${pkg.version}`, '--json', '--pack-destination', scratch];
    const { stdout } = await run('npm', args, { maxBuffer: 16 * 1024 * 1024 });
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
    if (packed === undefined) throw new Error(`npm pack ${pkg.name}@${pkg.version} made nothing`);
    const made = join(scratch, packed.filename.replace('@', '').replace('/', '-'));
    const bytes = await readFile(made);
    if (integrityOf(bytes) !== pkg.integrity) {
      throw new Error(
        `${pkg.name}@${pkg.version} has integrity ${integrityOf(bytes)}, not the pinned ${pkg.integrity}`,
      );
    }
    await rename(made, path);
    return bytes;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function integrityOf(bytes: Buffer): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}
