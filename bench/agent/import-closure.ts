import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** What a program needs on the disk. */
export interface Closure {
  /** Our files, relative to the folder of compiled programs. */
  readonly files: readonly string[];
  readonly fileBytes: number;
  /** Packages by name, with all that they bring along. */
  readonly packages: readonly { readonly name: string; readonly bytes: number }[];
}

/** Static and dynamic imports as tsc writes them, and files that are found by their built place. */
const IMPORT =
  /^(?:import|export)\b[^'";]*?\bfrom\s+['"]([^'"]+)|^import\s+['"]([^'"]+)|\bimport\(\s*['"]([^'"]+)/gm;
const BUILT = /\bbuiltFile\(\s*['"]([^'"]+)/g;

/**
 * Follows the imports of a compiled program, dynamic ones too, and the files beside the code that it opens.
 * A package counts whole, as npm installs it, with its dependencies.
 */
export async function importClosure(dist: string, entry: string): Promise<Closure> {
  const files = new Set<string>();
  const packages = new Map<string, number>();
  const open = [join(dist, entry)];
  let fileBytes = 0;
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    fileBytes += (await stat(file)).size;
    if (!file.endsWith('.js')) continue;
    const text = await readFile(file, 'utf8');
    for (const [, built = ''] of text.matchAll(BUILT)) open.push(join(dist, 'delta', built));
    for (const specifier of specifiers(text)) {
      if (specifier.startsWith('node:')) continue;
      if (specifier.startsWith('.')) open.push(join(dirname(file), specifier));
      else await addPackage(packageName(specifier), file, packages);
    }
  }
  return {
    files: [...files].map((file) => relative(dist, file)).sort(),
    fileBytes,
    packages: [...packages].map(([name, bytes]) => ({ name, bytes })),
  };
}

function specifiers(text: string): readonly string[] {
  return [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

async function addPackage(
  name: string,
  importer: string,
  packages: Map<string, number>,
): Promise<void> {
  if (packages.has(name)) return;
  const folder = packageFolder(name, importer);
  packages.set(name, await folderBytes(folder));
  const text = await readFile(join(folder, 'package.json'), 'utf8');
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as Needs;
  for (const needed of Object.keys(dependencies)) {
    await addPackage(needed, join(folder, 'package.json'), packages);
  }
  // One of each such family is the machine's own.
  for (const needed of Object.keys(optionalDependencies)) {
    if (findPackage(needed, folder) === undefined) continue;
    await addPackage(needed, join(folder, 'package.json'), packages);
  }
}

interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function packageFolder(name: string, importer: string): string {
  const folder = findPackage(name, dirname(importer));
  if (folder === undefined) throw new Error(`${importer} imports ${name}, which is not installed`);
  return folder;
}

/** A package's folder as Node would find it from `from`, by its name alone. */
function findPackage(name: string, from: string): string | undefined {
  for (const folder of createRequire(join(from, 'x')).resolve.paths(name) ?? []) {
    const path = join(folder, name);
    if (existsSync(join(path, 'package.json'))) return path;
  }
  return undefined;
}

/** Bytes of all files of a package; packages inside it count where they are needed. */
async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(path);
    else if (entry.isFile()) bytes += (await stat(path)).size;
  }
  return bytes;
}
