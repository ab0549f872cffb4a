import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { debianArchives, fetchDebianPackage } from '../../engine/fetch-source.ts';
import { fileDigest } from '../../engine/file-digest.ts';
import { runTool } from '../../tools.ts';
import { AFTER, BEFORE, UNCHANGED } from './debian-packages.ts';
import type { Recipe, Trees } from './recipe.ts';

/** A package's file in Debian's archives. */
export interface DebianPackage {
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
  /** Below an archive's root. */
  readonly pool: string;
}

/** The parts of both roots. */
interface Lists {
  readonly unchanged: readonly DebianPackage[];
  readonly before: readonly DebianPackage[];
  readonly after: readonly DebianPackage[];
}

/** Left out of the roots when they are gone; of more than this share the roots are no longer those. */
const MOST_GONE = 0.2;

/** Small ones, for a quick run. */
const QUICK = ['curl', 'libcurl4', 'libexpat1', 'libssl3', 'openssl', 'tzdata', 'zlib1g'];

/** Lines of sha256 and path, as `debian-packages.ts` has them. */
export function parsePackages(lines: string): readonly DebianPackage[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^([0-9a-f]{64}) (pool\/[^ ]+\/([^/_ ]+)_[^/ ]+\.deb)$/.exec(line);
      if (match === null) throw new Error(`not a package: ${line}`);
      const [, sha256 = '', pool = '', name = ''] = match;
      return { name, sha256, pool };
    });
}

/** A root of Debian packages before and after their security updates. */
export function debianRecipe({ quick }: { readonly quick: boolean }): Recipe {
  const pick = (lines: string): readonly DebianPackage[] =>
    parsePackages(lines).filter(({ name }) => !quick || QUICK.includes(name));
  const lists = { unchanged: pick(UNCHANGED), before: pick(BEFORE), after: pick(AFTER) };
  const all = [...lists.unchanged, ...lists.before, ...lists.after];
  return {
    name: 'debian',
    title: `Debian root, ${lists.after.length} of ${lists.after.length + lists.unchanged.length} packages updated`,
    inputs: all.map(({ sha256, pool }) => `${sha256} ${pool}`).join('\n'),
    unpack: (trees, cache) => unpack(lists, trees, join(cache, 'debian-root')),
  };
}

async function unpack(lists: Lists, trees: Trees, cache: string): Promise<readonly string[]> {
  await mkdir(cache, { recursive: true });
  const all = [...lists.unchanged, ...lists.before, ...lists.after];
  const gone = await fetchAll(all, cache);
  const names = new Set(all.map(({ name }) => name));
  if (gone.size > MOST_GONE * names.size) {
    throw new Error(
      `${gone.size} of ${names.size} Debian packages are gone: ${[...gone].join(' ')}`,
    );
  }
  for (const side of ['before', 'after'] as const) {
    for (const { name, pool } of [...lists.unchanged, ...lists[side]]) {
      if (gone.has(name)) continue;
      await runTool('dpkg-deb', ['-x', join(cache, basename(pool)), trees[side]]);
    }
  }
  return [...gone];
}

/** Names of packages that are not to be had in one of their versions. */
async function fetchAll(
  packages: readonly DebianPackage[],
  cache: string,
): Promise<ReadonlySet<string>> {
  const archives = await debianArchives();
  const gone = new Set<string>();
  for (const { name, sha256, pool } of packages) {
    const file = join(cache, basename(pool));
    if ((await fileDigest(file)) === sha256) continue;
    process.stderr.write(`fetching ${basename(pool)}\n`);
    const fetched = `${file}.fetched`;
    try {
      await fetchDebianPackage(pool, fetched, archives);
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      gone.add(name);
      continue;
    }
    const found = await fileDigest(fetched);
    if (found !== sha256) {
      await rm(fetched);
      throw new Error(`${basename(pool)} has sha256 ${found ?? ''}, not ${sha256}`);
    }
    await rename(fetched, file);
  }
  return gone;
}
