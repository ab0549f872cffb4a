import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';

import type { DebianSource, NpmSource, Source } from './pair.ts';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Where a pinned package may still be had when the archive that apt is set to has dropped it. */
export const EXTRA_ARCHIVES = 'RIVULET_DEBIAN_ARCHIVES';

/** Writes a source's file to `path`, with `scratch` for the package; throws when it is not to be had. */
export async function fetchSource(source: Source, path: string, scratch: string): Promise<void> {
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  try {
    await (source.kind === 'npm'
      ? fromNpm(source, path, scratch)
      : fromDebian(source, path, scratch));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function fromNpm(source: NpmSource, path: string, scratch: string): Promise<void> {
  const spec = `${source.package}@${source.version}`;
  await run('npm', ['pack', spec, '--silent', '--pack-destination', scratch], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const [made] = await readdir(scratch);
  if (made === undefined) throw new Error(`npm pack ${spec} made nothing`);
  const tarball = join(scratch, made);
  if (source.path === undefined) {
    await pipeline(createReadStream(tarball), createGunzip(), createWriteStream(path));
  } else {
    await writeOutput('tar', ['-xzOf', tarball, `package/${source.path}`], path);
  }
}

async function fromDebian(source: DebianSource, path: string, scratch: string): Promise<void> {
  const deb = join(scratch, basename(source.pool));
  await fetchDebianPackage(source.pool, deb, await debianArchives());
  const tar = join(scratch, 'data.tar');
  await writeOutput('dpkg-deb', ['--fsys-tarfile', deb], tar);
  await writeOutput('tar', ['-xOf', tar, `./${source.path}`], path);
}

/**
 * Writes a package of a Debian archive, by its path below the archive's root, to `path`; throws when
 * none of the archives has it any more.
 */
export async function fetchDebianPackage(
  pool: string,
  path: string,
  archives: readonly string[],
): Promise<void> {
  const failures: string[] = [];
  for (const archive of archives) {
    try {
      await run('/usr/lib/apt/apt-helper', ['download-file', `${archive}${pool}`, path]);
      return;
    } catch (error) {
      failures.push(lastLine(error));
    }
  }
  throw new Error(
    `${basename(pool)} is in no archive (${EXTRA_ARCHIVES} names more): ${failures.join('; ')}`,
  );
}

/** The roots that apt reads Debian's own packages from, then those of the environment. */
export async function debianArchives(): Promise<string[]> {
  const extra = (process.env[EXTRA_ARCHIVES] ?? '').split(/\s+/).filter(Boolean);
  const { stdout } = await run('apt-get', [
    ...['indextargets', '--format', '$(ORIGIN) $(REPO_URI)'],
    'Created-By: Packages',
  ]);
  const own = stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('Debian ') ? [line.slice('Debian '.length)] : []));
  return [...new Set([...own, ...extra.map((uri) => uri.replace(/\/*$/, '/'))])];
}

async function writeOutput(command: string, args: readonly string[], path: string): Promise<void> {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [[code]] = await Promise.all([
    once(child, 'close') as Promise<[number | null]>,
    pipeline(child.stdout, createWriteStream(path)),
  ]);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split('\n').filter((line) => /^E:|rror/.test(line));
  return (lines[0] ?? text).trim();
}
