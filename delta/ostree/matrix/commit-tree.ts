import { StorageError } from '../../../storage/errors.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { parseChecksum, type Checksum } from '../objects/checksum.ts';
import { parseCommit } from '../objects/commit.ts';
import { parseDirtree, type Dirtree } from '../objects/dirtree.ts';
import type { ObjectKind } from '../objects/object-name.ts';
import type { DeltaObject } from '../static-delta/build/delta-objects.ts';
import type { PartObject, PartObjectKind } from '../static-delta/object-list.ts';
import { STATIC_DELTA_LIMITS } from '../static-delta/limits.ts';
import type { StoredObjects } from './stored-objects.ts';

/** A commit and all that it holds. */
export interface CommitTree {
  readonly commit: Buffer;
  readonly objects: readonly DeltaObject[];
}

/** An object and where it stands. */
interface Place {
  readonly name: PartObject;
  readonly paths: readonly string[];
}

/** Paths noted of one object; a folder that stands more often is not walked again. */
const MAX_PLACES = 16;
/** Entries looked at in all: trees that name each other over and over come to an end. */
const MAX_STEPS = 8 * STATIC_DELTA_LIMITS.objects;
const PAGE = 65_536;

/** Reads the trees of commits; a folder that several of them hold is read once. */
export class CommitTrees {
  readonly #store: StoredObjects;
  readonly #options: IoOptions;
  readonly #dirtrees = new Map<Checksum, Dirtree>();

  constructor(store: StoredObjects, options: IoOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * What the commit holds, with the paths where it stands. Throws `missing` for what the repository
   * lacks, `too_large` for a tree of more objects than a static delta can name, `bad_format`, `aborted`.
   */
  async read(checksum: Checksum): Promise<CommitTree> {
    const commit = await this.#store.readMetadata({ kind: 'commit', checksum });
    const sizes = await this.#sizes(checksum);
    const { tree, meta } = parseCommit(commit);
    const places = await this.#walk(tree, meta);
    const objects: DeltaObject[] = [];
    for (const [key, { name, paths }] of places) {
      const size = sizes.get(key);
      if (size === undefined) throw lacking(key);
      const { kind, checksum: of } = name;
      objects.push(
        kind === 'file' ? { kind, checksum: of, paths, size } : { kind, checksum: of, paths },
      );
    }
    return { commit, objects };
  }

  async #sizes(commit: Checksum): Promise<ReadonlyMap<string, number>> {
    const { ostree, repo } = this.#store;
    const sizes = new Map<string, number>();
    let after: number | undefined;
    do {
      checkAborted(this.#options.signal, 'reading a commit');
      const page = await ostree.closure(repo, parseOstreeChecksum(commit), { after, limit: PAGE });
      for (const { kind, checksum, size } of page.objects) {
        sizes.set(keyOf(kind, parseChecksum(checksum)), size);
      }
      if (sizes.size > STATIC_DELTA_LIMITS.objects) {
        throw new DeltaError('too_large', `the commit ${commit} holds ${sizes.size} objects`);
      }
      after = page.next;
    } while (after !== undefined);
    return sizes;
  }

  /** Paths by object, in the order in which a walk from the root comes to them. */
  async #walk(root: Checksum, rootMeta: Checksum): Promise<ReadonlyMap<string, Place>> {
    const places = new Map<string, Place & { readonly paths: string[] }>();
    const note = (kind: PartObjectKind, checksum: Checksum, path: string): boolean => {
      const key = keyOf(kind, checksum);
      const known = places.get(key);
      if (known === undefined) places.set(key, { name: { kind, checksum }, paths: [path] });
      else if (known.paths.length < MAX_PLACES) known.paths.push(path);
      else return false;
      return true;
    };
    const open = [{ tree: root, meta: rootMeta, path: '' }];
    let steps = 0;
    for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
      checkAborted(this.#options.signal, 'reading a commit');
      const { tree, meta, path } = folder;
      note('dirmeta', meta, path || '/');
      if (!note('dirtree', tree, path || '/')) continue;
      const { files, directories } = await this.#dirtree(tree);
      for (const { name, checksum } of files) note('file', checksum, `${path}/${name}`);
      for (const { name, ...child } of directories)
        open.push({ ...child, path: `${path}/${name}` });
      steps += files.length + directories.length;
      if (steps > MAX_STEPS) {
        throw new DeltaError('too_large', `a tree names its objects more than ${MAX_STEPS} times`);
      }
    }
    return places;
  }

  async #dirtree(checksum: Checksum): Promise<Dirtree> {
    const known = this.#dirtrees.get(checksum);
    if (known !== undefined) return known;
    const tree = parseDirtree(await this.#store.readMetadata({ kind: 'dirtree', checksum }));
    this.#dirtrees.set(checksum, tree);
    return tree;
  }
}

/** One string for an object's name. */
export function keyOf(kind: ObjectKind, checksum: Checksum): string {
  return `${kind} ${checksum}`;
}

function lacking(key: string): StorageError {
  return new StorageError('missing', `the repository has no ${key}: its commit is not whole`);
}
