import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { PushClient } from '../../server/cli/push-client.ts';
import { openSource } from '../../server/cli/sources/source.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { startRegistry } from '../serve/peers/registry.ts';
import { findTool, type Tool } from '../tools.ts';
import type { CorpusImage } from './corpus.ts';

const run = promisify(execFile);

export interface PeerResult {
  readonly name: string;
  readonly version: string;
  /** Bytes at rest; undefined when it is not installed. */
  readonly bytes: number | undefined;
}

/** restic and casync keep the unpacked trees of all images, in order; zot the images themselves. */
export async function measurePeers(
  dir: string,
  images: readonly CorpusImage[],
  layouts: readonly string[],
): Promise<readonly PeerResult[]> {
  const restic = await findTool('restic', ['version']);
  const casync = await findTool('casync', ['--version']);
  const zot = await findTool('zot', ['--version']);
  const treeDir = join(dir, 'tree');
  const results: PeerResult[] = [];
  if (restic !== undefined) await run(restic.path, ['init', ...resticArgs(dir)], RESTIC);
  for (const [number, image] of images.entries()) {
    if (restic === undefined && casync === undefined) break;
    await unpack(treeDir, image);
    if (restic !== undefined) {
      await run(restic.path, ['backup', '-q', ...resticArgs(dir), treeDir], RESTIC);
    }
    if (casync !== undefined) {
      const index = join(dir, `${number}.caidx`);
      const store = join(dir, 'casync.castr');
      await run(casync.path, ['make', '--with=unix', `--store=${store}`, index, treeDir]);
    }
  }
  results.push(await resultOf('restic, unpacked trees', restic, [join(dir, 'restic')]));
  const indexes = images.map((_, number) => join(dir, `${number}.caidx`));
  const casyncPaths = [join(dir, 'casync.castr'), ...indexes];
  results.push(await resultOf('casync, unpacked trees', casync, casyncPaths));
  if (zot !== undefined) await pushTo(zot, dir, layouts);
  results.push(await resultOf('zot with dedupe, images', zot, [join(dir, 'zot', 'store')]));
  return results;
}

const RESTIC = { env: { ...process.env, RESTIC_PASSWORD: 'bench' } };
const resticArgs = (dir: string): string[] => [...['--repo', join(dir, 'restic'), '--no-cache']];

async function resultOf(
  name: string,
  tool: Tool | undefined,
  paths: readonly string[],
): Promise<PeerResult> {
  if (tool === undefined) return { name, version: 'not installed', bytes: undefined };
  let bytes = 0;
  for (const path of paths) bytes += await sizeOf(path);
  return { name, version: tool.version, bytes };
}

async function sizeOf(path: string): Promise<number> {
  const facts = await stat(path);
  if (!facts.isDirectory()) return facts.size;
  let bytes = 0;
  const seen = new Set<number>();
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { ino, size } = await stat(join(entry.parentPath, entry.name));
    // What is linked twice is there once.
    if (!seen.has(ino)) bytes += size;
    seen.add(ino);
  }
  return bytes;
}

async function unpack(dir: string, { base, app }: CorpusImage): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  for (const tar of [base, app]) {
    await writeFile(`${dir}.tar`, tar);
    await run('tar', ['-C', dir, '-xf', `${dir}.tar`]);
  }
}

async function pushTo(zot: Tool, dir: string, layouts: readonly string[]): Promise<void> {
  const home = join(dir, 'zot');
  await mkdir(home);
  const options = { dir: home, content: home, workers: 1 };
  const peer = await startRegistry(zot.path, options, (_, port) => ({
    storage: { rootDirectory: join(home, 'store'), gc: false, dedupe: true },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' },
  }));
  try {
    for (const layout of layouts) {
      const tag = layout.slice(layout.lastIndexOf('/') + 1);
      const source = await openSource(`oci:${layout}:${tag}`, 'linux/amd64');
      const silent = { blob: () => undefined, bytes: () => undefined };
      const client = new PushClient(new URL(peer.url), parseRepoName('app'), source, silent);
      await client.push(parseTag(tag));
      await source.close();
    }
  } finally {
    await peer.stop();
  }
}
