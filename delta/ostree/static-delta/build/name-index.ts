import type { FileObject } from './delta-objects.ts';

/** Files of one base name that are looked at: `__init__.py` stands in every folder. */
const MAX_ALIKE = 64;
/** Sources named for one file, at most. */
const MAX_SOURCES = 4;

/**
 * Old files that a new one may come from, by what they are called: same path; same path but for
 * numbers, as kernel modules have; same base name; same base name but for numbers, as libraries have.
 * Among equals the one whose folders are most alike comes first.
 */
export class NameIndex {
  readonly #byPath = new Map<string, FileObject>();
  readonly #byKey = new Map<string, Named[]>();

  constructor(files: readonly FileObject[]) {
    for (const file of files) {
      for (const path of file.paths) {
        this.#byPath.set(path, file);
        for (const key of keysOf(path)) this.#add(key, { path, file });
      }
    }
  }

  /** Best first; none twice. */
  sourcesOf({ paths }: FileObject): readonly FileObject[] {
    const found = new Set<FileObject>();
    for (const path of paths) {
      const same = this.#byPath.get(path);
      if (same !== undefined) found.add(same);
    }
    const [path] = paths;
    if (path === undefined) return [...found];
    for (const key of keysOf(path)) {
      const named = (this.#byKey.get(key) ?? []).map((entry) => ({
        ...entry,
        likeness: likeness(entry.path, path),
      }));
      named.sort((a, b) => b.likeness - a.likeness || (a.path < b.path ? -1 : 1));
      for (const { file } of named) found.add(file);
      if (found.size >= MAX_SOURCES) break;
    }
    return [...found].slice(0, MAX_SOURCES);
  }

  #add(key: string, named: Named): void {
    const known = this.#byKey.get(key);
    if (known === undefined) this.#byKey.set(key, [named]);
    else if (known.length < MAX_ALIKE) known.push(named);
  }
}

interface Named {
  readonly path: string;
  readonly file: FileObject;
}

/** From the closest to the loosest; the marks keep one sort of key from being taken for another. */
function keysOf(path: string): readonly string[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return [`/${withoutNumbers(path)}`, `=${name}`, `~${withoutNumbers(name)}`];
}

/** Every run of digits, dots between them included, is one mark. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+(?:[.\-_~+]\d+)*/g, '#');
}

/** Folders and characters that two paths have in common at their beginning and at their end. */
function likeness(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let before = 0;
  while (before < most && a[before] === b[before]) before += 1;
  let after = 0;
  while (after < most - before && a.at(-1 - after) === b.at(-1 - after)) after += 1;
  return before + after;
}
