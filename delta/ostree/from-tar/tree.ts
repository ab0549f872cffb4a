import { DeltaError } from '../../errors.ts';
import type { Checksum } from '../objects/checksum.ts';
import { formatDirtree } from '../objects/dirtree.ts';
import { checksumOf } from '../objects/checksum.ts';

/** A directory while the tree grows. */
class Folder {
  readonly files = new Map<string, Checksum>();
  readonly folders = new Map<string, Folder>();
  /** Its dirmeta. */
  meta: Checksum;

  constructor(meta: Checksum) {
    this.meta = meta;
  }
}

/** Called for each dirtree, those that a dirtree names before itself. */
export type TakeDirtree = (checksum: Checksum, bytes: Buffer) => void;

/**
 * A tree of files as the entries of a tar make it one after the other: a later file takes the place of
 * an earlier one, a directory that nobody described has the default dirmeta. Every method throws
 * `bad_format` where a file stands in a directory's place or the other way round.
 */
export class GrowingTree {
  readonly #root: Folder;
  readonly #defaultMeta: Checksum;

  constructor(defaultMeta: Checksum) {
    this.#defaultMeta = defaultMeta;
    this.#root = new Folder(defaultMeta);
  }

  setFile(path: readonly string[], checksum: Checksum): void {
    const [name, folder] = this.#place(path);
    if (folder.folders.has(name)) throw clash(path, 'a file', 'a directory');
    folder.files.set(name, checksum);
  }

  setDirectory(path: readonly string[], meta: Checksum): void {
    this.#folder(path).meta = meta;
  }

  /** The file at a path; undefined where none is. */
  file(path: readonly string[]): Checksum | undefined {
    let folder: Folder | undefined = this.#root;
    for (const name of path.slice(0, -1)) folder = folder?.folders.get(name);
    return folder?.files.get(path.at(-1) ?? '');
  }

  /** Makes all dirtrees; gives the root's and its dirmeta. */
  finish(take: TakeDirtree): { readonly tree: Checksum; readonly meta: Checksum } {
    return { tree: finishFolder(this.#root, take), meta: this.#root.meta };
  }

  #place(path: readonly string[]): readonly [name: string, folder: Folder] {
    const name = path.at(-1);
    if (name === undefined) throw new DeltaError('bad_format', "the tar's root is a file");
    return [name, this.#folder(path.slice(0, -1))];
  }

  #folder(path: readonly string[]): Folder {
    let folder = this.#root;
    for (const [depth, name] of path.entries()) {
      if (folder.files.has(name)) throw clash(path.slice(0, depth + 1), 'a directory', 'a file');
      let next = folder.folders.get(name);
      if (next === undefined) {
        next = new Folder(this.#defaultMeta);
        folder.folders.set(name, next);
      }
      folder = next;
    }
    return folder;
  }
}

function finishFolder({ files, folders }: Folder, take: TakeDirtree): Checksum {
  const bytes = formatDirtree({
    files: [...files].map(([name, checksum]) => ({ name, checksum })),
    directories: [...folders].map(([name, folder]) => ({
      name,
      tree: finishFolder(folder, take),
      meta: folder.meta,
    })),
  });
  const checksum = checksumOf(bytes);
  take(checksum, bytes);
  return checksum;
}

function clash(path: readonly string[], one: string, other: string): DeltaError {
  const shown = JSON.stringify(path.join('/').slice(0, 300));
  return new DeltaError('bad_format', `the tar has ${one} at ${shown}, where it had ${other}`);
}
