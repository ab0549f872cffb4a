import type { BlobReader } from '../../../storage/blob-store.ts';
import type { OstreeCatalog } from '../../../storage/catalog/ostree-catalog.ts';
import type { Digest } from '../../../storage/digest.ts';
import { StorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import { ChunkCache } from '../../../storage/ostree/chunk-cache.ts';
import { ContentAccess } from '../../../storage/ostree/content-access.ts';
import { BufferAccess, type RandomAccess } from '../../../storage/random-access.ts';
import type { Checksum } from '../objects/checksum.ts';
import { formatFilezHeader, isSymlink, parseStreamHeader } from '../objects/file-header.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';
import type { MetadataKind, ObjectName } from '../objects/object-name.ts';
import type { OpenedFile } from '../static-delta/object-sink.ts';

/** Uncompressed chunks that all open files share: a matcher goes back and forth in two of them. */
const CACHE_BYTES = 32 * 1024 * 1024;

/** What reading objects needs of a store. */
export interface ObjectStorePlace {
  readonly blobs: BlobReader & { filePath?(digest: Digest): string | undefined };
  readonly ostree: Pick<OstreeCatalog, 'object' | 'chunksOf' | 'closure'>;
}

/**
 * The objects of one repository, read from the store's chunks. What the repository lacks is `missing`;
 * damaged and lost chunks are `corrupt`, `digest_mismatch` or `missing`, as `openContent` says.
 */
export class StoredObjects {
  readonly repo: RepoName;
  readonly ostree: ObjectStorePlace['ostree'];
  readonly #blobs: ObjectStorePlace['blobs'];
  readonly #cache = new ChunkCache(CACHE_BYTES);

  constructor(repo: RepoName, { blobs, ostree }: ObjectStorePlace) {
    this.repo = repo;
    this.ostree = ostree;
    this.#blobs = blobs;
  }

  /** The bytes of a metadata object. */
  async readMetadata(object: ObjectName & { readonly kind: MetadataKind }): Promise<Buffer> {
    const { size } = await this.#row(object);
    if (size > OBJECT_LIMITS.metadataBytes) {
      throw new StorageError('corrupt', `${object.kind} ${object.checksum} has ${size} bytes`);
    }
    return (await this.#content(object)).read(0, size);
  }

  /** A content object. It holds nothing that has to be closed. */
  async openFile(checksum: Checksum): Promise<OpenedFile> {
    const name = { kind: 'file', checksum } as const;
    const header = await this.#header(name);
    if (isSymlink(header)) return { header, content: new BufferAccess(Buffer.alloc(0)) };
    return { header, content: await this.#content(name) };
  }

  /** Bytes that the object takes in the store with its header: hardly more than as a loose object. */
  async storedBytes(object: ObjectName): Promise<number> {
    if (object.kind !== 'file') return (await this.#row(object)).size;
    const { size } = await this.#row(object);
    const head = formatFilezHeader({ header: await this.#header(object), size });
    const chunks = await this.ostree.chunksOf(object);
    return chunks.reduce((total, { length }) => total + length, head.length);
  }

  async #header(name: ObjectName) {
    const { header } = await this.#row(name);
    if (header !== undefined) return parseStreamHeader(header);
    throw new StorageError('corrupt', `file ${name.checksum} has no header`);
  }

  async #content(name: ObjectName): Promise<RandomAccess> {
    const chunks = await this.ostree.chunksOf(name);
    const content = new ContentAccess(this.#blobs, chunks, this.#cache);
    return new NamedAccess(content, `${name.kind} ${name.checksum}`);
  }

  async #row(name: ObjectName) {
    const row = await this.ostree.object(this.repo, name);
    if (row !== undefined) return row;
    throw new StorageError('missing', `${this.repo} has no ${name.kind} ${name.checksum}`);
  }
}

/** Says whose chunks are damaged or lost. */
class NamedAccess implements RandomAccess {
  readonly size: number;
  readonly #content: RandomAccess;
  readonly #name: string;

  constructor(content: RandomAccess, name: string) {
    this.size = content.size;
    this.#content = content;
    this.#name = name;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    try {
      return await this.#content.read(offset, length);
    } catch (error) {
      throw this.#named(error);
    }
  }

  readSync(offset: number, into: Uint8Array): void {
    try {
      this.#content.readSync(offset, into);
    } catch (error) {
      throw this.#named(error);
    }
  }

  #named(cause: unknown): unknown {
    if (!(cause instanceof StorageError)) return cause;
    const { code, detail, message } = cause;
    return new StorageError(code, `${this.#name}: ${message}`, { cause, detail });
  }
}
