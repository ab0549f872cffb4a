import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { parseChecksum, type Checksum } from '../../../delta/ostree/objects/checksum.ts';
import type { OstreeTool } from '../ostree-tool.ts';
import type { Recipe } from './recipe.ts';

/** Part of the key under which commits are kept: another way of making them has another number. */
const FORMAT = 1;
const FACTS = 'facts.json';
/** The ref whose commits the two trees are. */
export const REF = 'os/x86_64/stable';

/** What is known of a tree. */
export interface TreeFacts {
  readonly files: number;
  /** Of regular files. */
  readonly bytes: number;
}

/** Two commits, the second one the first one's child at {@link REF}. */
export interface Commits {
  /** An archive repository that is not to be changed. */
  readonly repo: string;
  readonly from: Checksum;
  readonly to: Checksum;
  readonly before: TreeFacts;
  readonly after: TreeFacts;
  /** Names of what the trees lack, since it is gone. */
  readonly gone: readonly string[];
}

/** The recipe's trees as commits, from the corpus or made now. */
export async function openTrees(
  recipe: Recipe,
  ostree: OstreeTool,
  cache: string,
): Promise<Commits> {
  const key = createHash('sha256').update(`${FORMAT}\n${recipe.inputs}`).digest('hex');
  const folder = join(cache, `ostree-${recipe.name}-${key.slice(0, 12)}`);
  let known = await readFacts(folder).catch(() => undefined);
  // What was gone may have been an archive that did not answer.
  if (known === undefined || known.gone.length > 0) {
    await rm(folder, { recursive: true, force: true });
    await make(recipe, ostree, cache, folder);
    known = await readFacts(folder);
  }
  return { ...known, repo: join(folder, 'repo') };
}

async function readFacts(folder: string): Promise<Omit<Commits, 'repo'>> {
  const text = await readFile(join(folder, FACTS), 'utf8');
  const known = JSON.parse(text) as Omit<Commits, 'repo'>;
  return { ...known, from: parseChecksum(known.from), to: parseChecksum(known.to) };
}

async function make(
  recipe: Recipe,
  ostree: OstreeTool,
  cache: string,
  folder: string,
): Promise<void> {
  const making = `${folder}.making`;
  await rm(making, { recursive: true, force: true });
  const trees = { before: join(making, 'before'), after: join(making, 'after') };
  for (const tree of Object.values(trees)) await mkdir(tree, { recursive: true });
  const gone = await recipe.unpack(trees, cache);
  process.stderr.write(`committing ${recipe.name}\n`);
  const repo = join(making, 'repo');
  await ostree.run('init', `--repo=${repo}`, '--mode=archive');
  await ostree.run('config', `--repo=${repo}`, 'set', 'core.fsync', 'false');
  const commit = async (tree: string, subject: string): Promise<string> => {
    const printed = await ostree.run(
      ...['commit', `--repo=${repo}`, `--branch=${REF}`, `--subject=${subject}`],
      // Whoever runs the bench, and whenever: the commits are the same.
      ...['--owner-uid=0', '--owner-gid=0', '--no-xattrs', '--timestamp=@1764547200'],
      `--tree=dir=${tree}`,
    );
    return printed.trim();
  };
  const known = {
    from: await commit(trees.before, 'before'),
    to: await commit(trees.after, 'after'),
    before: await factsOf(trees.before),
    after: await factsOf(trees.after),
    gone,
  };
  for (const tree of Object.values(trees)) await rm(tree, { recursive: true });
  await writeFile(join(making, FACTS), JSON.stringify(known));
  await rename(making, folder);
}

async function factsOf(folder: string): Promise<TreeFacts> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  let bytes = 0;
  for (const { parentPath, name } of files) bytes += (await lstat(join(parentPath, name))).size;
  return { files: files.length, bytes };
}
