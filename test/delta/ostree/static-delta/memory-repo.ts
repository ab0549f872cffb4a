import {
  checksumBytes,
  checksumOf,
  type Checksum,
} from '../../../../delta/ostree/objects/checksum.ts';
import { formatCommit } from '../../../../delta/ostree/objects/commit.ts';
import { formatDirmeta } from '../../../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree, type Dirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { FileHasher } from '../../../../delta/ostree/objects/file-checksum.ts';
import { isSymlink, type FileHeader } from '../../../../delta/ostree/objects/file-header.ts';
import type { MetadataKind } from '../../../../delta/ostree/objects/object-name.ts';
import type {
  DeltaObject,
  ObjectSource,
} from '../../../../delta/ostree/static-delta/build/delta-objects.ts';
import type { FileContent, ObjectSink } from '../../../../delta/ostree/static-delta/object-sink.ts';
import { StorageError } from '../../../../storage/errors.ts';
import { BufferAccess } from '../../../../storage/random-access.ts';

/** A file of a tree; a string as `content` with a symlink's mode is its target. */
export interface TreeFile {
  readonly content: Buffer;
  readonly mode?: number;
  readonly uid?: number;
}

/** By path: `/usr/bin/true`. */
export type Tree = Readonly<Record<string, TreeFile>>;

export interface MemoryCommit {
  readonly checksum: Checksum;
  readonly bytes: Buffer;
  readonly objects: readonly DeltaObject[];
}

export const REGULAR = 0o100_644;
export const SYMLINK = 0o120_777;

/** Commits and their objects in memory. */
export class MemoryRepo implements ObjectSource {
  readonly #metadata = new Map<Checksum, Buffer>();
  readonly #files = new Map<Checksum, FileContent>();
  readonly meta: Checksum;

  constructor() {
    const meta = formatDirmeta({ uid: 0, gid: 0, mode: 0o040_755, xattrs: [] });
    this.meta = this.addMetadata(meta);
  }

  addMetadata(bytes: Buffer): Checksum {
    const checksum = checksumOf(bytes);
    this.#metadata.set(checksum, bytes);
    return checksum;
  }

  addFile({ content, mode = REGULAR, uid = 0 }: TreeFile): Checksum {
    const isLink = mode === SYMLINK;
    const target = isLink ? content.toString() : '';
    const header: FileHeader = { uid, gid: 0, mode, target, xattrs: [] };
    const body = isLink ? Buffer.alloc(0) : content;
    const checksum = new FileHasher(header).update(body).digest();
    this.#files.set(checksum, { header, content: new BufferAccess(body) });
    return checksum;
  }

  commit(tree: Tree): MemoryCommit {
    const objects = new Map<string, DeltaObject & { readonly paths: string[] }>();
    const note = (object: DeltaObject, path: string): void => {
      const key = `${object.kind} ${object.checksum}`;
      const known = objects.get(key) ?? { ...object, paths: [] };
      known.paths.push(path);
      objects.set(key, known);
    };
    const build = (entries: readonly (readonly [string, TreeFile])[], at: string): Checksum => {
      const files: Dirtree['files'][number][] = [];
      const directories: Dirtree['directories'][number][] = [];
      const below = new Map<string, (readonly [string, TreeFile])[]>();
      for (const [path, file] of entries) {
        const [name = '', ...rest] = path.split('/');
        if (rest.length > 0) {
          below.set(name, [...(below.get(name) ?? []), [rest.join('/'), file]]);
          continue;
        }
        const checksum = this.addFile(file);
        const size = file.mode === SYMLINK ? 0 : file.content.length;
        note({ kind: 'file', checksum, paths: [], size }, `${at}/${name}`);
        files.push({ name, checksum });
      }
      for (const [name, inside] of below) {
        const child = build(inside, `${at}/${name}`);
        directories.push({ name, tree: child, meta: this.meta });
      }
      const checksum = this.addMetadata(formatDirtree({ files, directories }));
      note({ kind: 'dirtree', checksum, paths: [] }, at);
      note({ kind: 'dirmeta', checksum: this.meta, paths: [] }, at);
      return checksum;
    };
    const root = build(
      Object.entries(tree).map(([path, file]) => [path.slice(1), file]),
      '',
    );
    const bytes = formatCommit({
      metadata: [],
      parent: undefined,
      related: [],
      subject: '',
      body: '',
      timestamp: 0n,
      tree: root,
      meta: this.meta,
    });
    return { checksum: this.addMetadata(bytes), bytes, objects: [...objects.values()] };
  }

  readMetadata({ checksum }: { readonly checksum: Checksum }): Promise<Buffer> {
    const bytes = this.#metadata.get(checksum);
    return bytes === undefined ? Promise.reject(missing(checksum)) : Promise.resolve(bytes);
  }

  openContent({ checksum }: { readonly checksum: Checksum }): Promise<FileContent> {
    const file = this.#files.get(checksum);
    return file === undefined ? Promise.reject(missing(checksum)) : Promise.resolve(file);
  }
}

/** Remembers the objects that it was given, in order. */
export class MemorySink implements ObjectSink {
  readonly objects: string[] = [];
  readonly contents = new Map<string, Buffer>();

  metadata(kind: MetadataKind, checksum: Checksum, bytes: Uint8Array): Promise<void> {
    this.objects.push(`${kind} ${checksum}`);
    this.contents.set(checksum, Buffer.from(bytes));
    return Promise.resolve();
  }

  async file(checksum: Checksum, { header, content }: FileContent): Promise<void> {
    this.objects.push(`file ${checksum}`);
    const bytes = Buffer.from(await content.read(0, content.size));
    const actual = new FileHasher(header).update(bytes).digest();
    if (actual !== checksum) throw new Error(`${checksum} was handed out as ${actual}`);
    this.contents.set(checksum, isSymlink(header) ? Buffer.from(header.target) : bytes);
  }
}

function missing(checksum: Checksum): StorageError {
  return new StorageError('missing', `no object ${checksumBytes(checksum).toString('hex')}`);
}
