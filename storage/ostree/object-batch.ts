import type { BlobStore } from '../blob-store.ts';
import { checkedBytes } from '../byte-source.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { OstreeChild } from '../catalog/ostree-catalog.ts';
import { ChunkPacker, locate, type NamedChunk, type PackerMark } from '../chunk/chunk-packer.ts';
import { chunkStream, type Cut } from '../chunk/fastcdc.ts';
import type { PackPresence } from '../chunk/pack-presence.ts';
import { PackWriter } from '../chunk/pack.ts';
import { digestOf, type Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { RepoName } from '../names.ts';
import { formatObjectName, type OstreeObjectName } from './object-name.ts';

/** An object on its way into the store. */
export interface IncomingObject {
  readonly name: OstreeObjectName;
  /** A file's header as it goes into its checksum; none for metadata. */
  readonly header?: Uint8Array | undefined;
  /** Bytes of the content. */
  readonly size: number;
  /** Throws in place of its end if the object does not have the name's checksum. */
  readonly content: AsyncIterable<Uint8Array>;
  readonly children: readonly OstreeChild[];
}

export interface BatchOptions {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'layers' | 'ostree'>;
  readonly repo: RepoName;
  /** A folder for the pack while it grows. */
  readonly scratch: string;
  readonly presence: PackPresence;
  readonly cut: Cut;
  readonly signal: AbortSignal | undefined;
}

/** The largest content, as for layers: at 16 KiB a chunk, 2^20 rows. */
export const MAX_OBJECT_BYTES = 16 * 1024 ** 3;
/** A batch that has reached one of these takes no more objects; chunks to be looked up count later. */
const FULL_PACK_BYTES = 64 * 1024 * 1024;
const FULL_OBJECTS = 4096;
/** Rows of one transaction, which others wait for. */
const FULL_ROWS = 65_536;
/** Chunks looked up at once: 16 MiB of contents at most, held in memory. */
const LOOKUP_BATCH = 64;

type Gathered = Omit<IncomingObject, 'content'> & { readonly chunks: readonly Digest[] };

/** Objects that are recorded together, and the pack that holds their new chunks. */
export class ObjectBatch {
  readonly #options: BatchOptions;
  readonly #pack: PackWriter;
  readonly #packer: ChunkPacker;
  readonly #objects = new Map<string, Gathered>();
  #rows = 0;
  /** Chunks that have not been looked up yet. */
  #pending: NamedChunk[] = [];

  private constructor(options: BatchOptions, pack: PackWriter) {
    this.#options = options;
    this.#pack = pack;
    this.#packer = new ChunkPacker(pack);
  }

  /** Opens a batch; the caller disposes of it in `finally`. */
  static async open(options: BatchOptions): Promise<ObjectBatch> {
    return new ObjectBatch(options, await PackWriter.open(options.scratch));
  }

  get full(): boolean {
    return (
      this.#pack.size >= FULL_PACK_BYTES ||
      this.#objects.size >= FULL_OBJECTS ||
      this.#rows >= FULL_ROWS
    );
  }

  /** Takes an object. One whose content throws or has another size leaves nothing in the batch. */
  async add(object: IncomingObject): Promise<void> {
    const { content, ...facts } = object;
    const what = formatObjectName(facts.name);
    if (!Number.isSafeInteger(facts.size) || facts.size < 0 || facts.size > MAX_OBJECT_BYTES) {
      throw new StorageError(
        'too_large',
        `${what} has ${facts.size} bytes, the limit is ${MAX_OBJECT_BYTES}`,
        { detail: { size: facts.size, limit: MAX_OBJECT_BYTES } },
      );
    }
    const { cut, signal } = this.#options;
    const { size } = facts;
    const checked = checkedBytes(content, { what, expected: { size }, signal });
    const chunks: Digest[] = [];
    const before = this.#pending.length;
    let mark: PackerMark | undefined;
    try {
      for await (const bytes of chunkStream(checked, { cut, size })) {
        const digest = digestOf(bytes);
        chunks.push(digest);
        this.#pending.push({ digest, bytes });
        if (this.#pending.length < LOOKUP_BATCH) continue;
        // Other objects' chunks first, so that this one's can be taken out again.
        if (mark === undefined) await this.#place(this.#pending.splice(0, before));
        mark ??= this.#packer.mark();
        await this.#place(this.#pending.splice(0));
      }
    } catch (error) {
      this.#pending.splice(mark === undefined ? before : 0);
      if (mark !== undefined) await this.#packer.rewind(mark);
      throw error;
    }
    this.#objects.set(what, { ...facts, chunks });
    this.#rows += chunks.length + facts.children.length;
  }

  /** Stores the pack, then the rows. Returns how many objects these are, and the pack's bytes. */
  async store(): Promise<{ readonly objects: number; readonly packBytes: number }> {
    const { blobs, catalog, repo, presence, signal } = this.#options;
    const objects = [...this.#objects.values()];
    if (objects.length === 0) return { objects: 0, packBytes: 0 };
    await this.#place(this.#pending.splice(0));
    const pack = this.#packer.hasNewChunks ? await this.#pack.store(blobs, { signal }) : undefined;
    if (pack !== undefined) presence.stored(pack.digest);
    const { located, newChunks } = this.#packer.finish(pack?.digest);
    const names = objects.map((object) => object.name);
    // What is known already, but was lost with its pack, is here again.
    for (const [known] of await catalog.ostree.packsOf(names)) await presence.has(known);
    await catalog.ostree.addObjects(repo, {
      objects: objects.map((object) => ({ ...object, chunks: locate(located, object.chunks) })),
      pack,
      newChunks,
      lostPacks: presence.lost,
    });
    return { objects: objects.length, packBytes: pack?.size ?? 0 };
  }

  /** Removes the scratch file; safe at any time and more than once. */
  async dispose(): Promise<void> {
    await this.#pack.dispose();
  }

  async #place(chunks: readonly NamedChunk[]): Promise<void> {
    const { catalog, presence } = this.#options;
    const unknown = this.#packer.unknown(chunks.map((chunk) => chunk.digest));
    const found = await catalog.layers.findChunks(unknown);
    await this.#packer.add(chunks, await presence.usable(found));
  }
}
