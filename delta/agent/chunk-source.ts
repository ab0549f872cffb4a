import { createReadStream } from 'node:fs';

import type { ChunkIndex, IndexedChunk } from '../../storage/chunk/chunk-index.ts';
import { chunkStream } from '../../storage/chunk/fastcdc.ts';
import { openChunk, planChunkFetch, type ChunkFetch } from '../../storage/chunk/restore.ts';
import { chunkTar } from '../../storage/chunk/tar-chunks.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { syncDirectory } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { FileAccess } from '../../storage/random-access.ts';
import { CheckedFile } from './checked-file.ts';
import { fileSize } from './durable.ts';
import { DeviceError } from './errors.ts';
import { fetchStem } from './paths.ts';
import type { PlanEnv } from './plan.ts';

/** Where a chunk's uncompressed bytes lie in an old tar. */
interface TarChunk {
  readonly path: string;
  readonly offset: number;
}

/** Where a chunk's frame was fetched to. */
interface PackChunk {
  readonly pack: Digest;
  readonly chunk: IndexedChunk;
}

/** A frame that is not there, or not whole. */
const DAMAGE: ReadonlySet<string> = new Set([
  'corrupt',
  'digest_mismatch',
  'range_unsatisfiable',
  'too_large',
]);

/** What chunks are looked for and fetched with. */
export type ChunkEnv = Pick<PlanEnv, 'paths' | 'fetcher' | 'signal' | 'buffers'>;

/**
 * Chunks from old tars and from packs. The fetched frames of a pack lie in `<pack>.sparse` at the
 * very places that they have in the pack ({@link CheckedFile}): one that opens is here, and of one that
 * broke off or was torn only the holes are fetched.
 */
export class ChunkSource {
  readonly #env: ChunkEnv;
  readonly #tars = new Map<Digest, TarChunk>();
  readonly #fetched = new Map<Digest, PackChunk>();
  /** What frames are fetched to, by pack. */
  readonly #packs = new Map<Digest, CheckedFile>();
  readonly #files = new Map<string, FileAccess>();

  constructor(env: ChunkEnv) {
    this.#env = env;
  }

  /**
   * Offers the chunks of an uncompressed layer: as layers are cut now, on file boundaries, or as they
   * were before, as `one-stream`.
   */
  async addTar(path: string, cut: 'files' | 'one-stream' = 'files'): Promise<void> {
    if ((await fileSize(path)) === undefined) return;
    const { signal, buffers } = this.#env;
    let offset = 0;
    const source: AsyncIterable<Buffer> = createReadStream(path, { signal });
    for await (const chunk of cut === 'files' ? chunkTar(source) : chunkStream(source)) {
      this.#tars.set(digestOf(chunk), { path, offset });
      offset += chunk.length;
      // Once in a buffer of the file, once in one of chunks.
      buffers.passed(2 * chunk.length);
    }
  }

  /** Offers the chunks of a damaged layer that are sound and where its own index has them. */
  async addSound(path: string, index: ChunkIndex): Promise<void> {
    const size = (await fileSize(path)) ?? 0;
    let offset = 0;
    for (const { digest, rawLength } of index.chunks) {
      if (offset + rawLength <= size) {
        const bytes = await (await this.#file(path)).read(offset, rawLength);
        if (digestOf(bytes) === digest) this.#tars.set(digest, { path, offset });
        this.#env.buffers.passed(rawLength);
      }
      offset += rawLength;
      this.#env.signal.throwIfAborted();
    }
  }

  /** True if a chunk of the layer is at hand. */
  holdsAny(index: ChunkIndex): boolean {
    return index.chunks.some(({ digest }) => this.#have(digest));
  }

  /** Takes up what an earlier run fetched of what the index needs. */
  async find(index: ChunkIndex): Promise<void> {
    const fetches = planChunkFetch(index, this.#have);
    for (const { pack, chunks } of fetches) {
      if ((await fileSize(this.#sparsePath(pack))) === undefined) continue;
      const file = await this.#pack(pack, fetches);
      let bytes = 0;
      for (const chunk of chunks) {
        const isHere = (await this.#damage(pack, chunk)) === undefined;
        if (isHere) this.#fetched.set(chunk.digest, { pack, chunk });
        bytes += isHere ? chunk.length : file.heldOf(frameRange(chunk));
      }
      this.#env.fetcher.found(pack, bytes);
    }
  }

  /** What the indexes need and nothing here has: bytes of ranges, and how many there are. */
  missing(indexes: readonly ChunkIndex[]): { readonly bytes: number; readonly requests: number } {
    const planned = new Set<Digest>();
    let bytes = 0;
    let requests = 0;
    for (const index of indexes) {
      const have = (digest: Digest): boolean => planned.has(digest) || this.#have(digest);
      for (const { pack, range, chunks } of planChunkFetch(index, have)) {
        bytes += range.endExclusive - range.start - (this.#packs.get(pack)?.heldOf(range) ?? 0);
        requests += 1;
        for (const chunk of chunks) planned.add(chunk.digest);
      }
    }
    return { bytes, requests };
  }

  /** Fetches what the index needs and nothing here has. */
  async fetch(index: ChunkIndex): Promise<void> {
    const fetches = planChunkFetch(index, this.#have);
    try {
      for (const fetch of fetches)
        await this.#fetchRange(fetch, await this.#pack(fetch.pack, fetches));
    } finally {
      for (const file of this.#packs.values()) await file.sync();
    }
  }

  async #fetchRange({ pack, range, chunks }: ChunkFetch, file: CheckedFile): Promise<void> {
    const cuts = chunks.map((chunk) => frameRange(chunk).endExclusive);
    await this.#env.fetcher.range({ digest: pack, range, file, cuts }, async () => {
      await this.#forget(this.#sparsePath(pack));
      let wrong: StorageError | undefined;
      for (const chunk of chunks) {
        const damage = await this.#damage(pack, chunk);
        if (damage !== undefined) file.forget(frameRange(chunk));
        wrong ??= damage;
      }
      if (wrong !== undefined) throw wrong;
    });
    for (const chunk of chunks) this.#fetched.set(chunk.digest, { pack, chunk });
  }

  readonly #have = (digest: Digest): boolean => this.#tars.has(digest) || this.#fetched.has(digest);

  /** A chunk's uncompressed bytes; a frame's are checked, an old tar's were when it was read. */
  async read(chunk: IndexedChunk): Promise<Buffer> {
    const place = this.#tars.get(chunk.digest);
    if (place !== undefined) {
      return (await this.#file(place.path)).read(place.offset, chunk.rawLength);
    }
    const fetched = this.#fetched.get(chunk.digest);
    if (fetched === undefined) {
      throw new DeviceError('internal', `the chunk ${chunk.digest} was not fetched`);
    }
    return this.#openFrame(fetched.pack, fetched.chunk);
  }

  async close(): Promise<void> {
    for (const file of [...this.#files.values(), ...this.#packs.values()]) await file.close();
    this.#files.clear();
    this.#packs.clear();
  }

  /** The file that a pack's frames are fetched to, opened once; its name is durable. */
  async #pack(pack: Digest, fetches: readonly ChunkFetch[]): Promise<CheckedFile> {
    const open = this.#packs.get(pack);
    if (open !== undefined) return open;
    const path = this.#sparsePath(pack);
    const file = await CheckedFile.open({
      path,
      sumsPath: `${path}.sums`,
      expectedBytes: fetches.reduce((sum, { range }) => sum + range.endExclusive - range.start, 0),
      // Each frame has a digest of its own.
      trustsUnsummed: false,
    });
    this.#packs.set(pack, file);
    await syncDirectory(this.#env.paths.fetch);
    return file;
  }

  /** What is wrong with a frame; undefined when it opens. */
  async #damage(pack: Digest, chunk: IndexedChunk): Promise<StorageError | undefined> {
    try {
      await this.#openFrame(pack, chunk);
      return undefined;
    } catch (error) {
      if (error instanceof StorageError && DAMAGE.has(error.code)) return error;
      throw error;
    }
  }

  async #openFrame(pack: Digest, chunk: IndexedChunk): Promise<Buffer> {
    const file = await this.#file(this.#sparsePath(pack));
    return openChunk(await file.read(chunk.offset, chunk.length), chunk);
  }

  async #file(path: string): Promise<FileAccess> {
    const open = this.#files.get(path);
    if (open !== undefined) return open;
    const file = await FileAccess.open(path);
    this.#files.set(path, file);
    return file;
  }

  /** The file grew: its size has to be read anew. */
  async #forget(path: string): Promise<void> {
    const file = this.#files.get(path);
    this.#files.delete(path);
    await file?.close();
  }

  #sparsePath(pack: Digest): string {
    return `${fetchStem(this.#env.paths, pack)}.sparse`;
  }
}

/** Where a chunk's frame lies in its pack. */
function frameRange({ offset, length }: IndexedChunk): ByteRange {
  return { start: offset, endExclusive: offset + length };
}
