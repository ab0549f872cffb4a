import { createReadStream } from 'node:fs';

import type { ChunkIndex, IndexedChunk } from '../../storage/chunk/chunk-index.ts';
import { chunkStream } from '../../storage/chunk/fastcdc.ts';
import { openChunk, planChunkFetch } from '../../storage/chunk/restore.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { isStorageError } from '../../storage/errors.ts';
import { FileAccess } from '../../storage/random-access.ts';
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

/** What chunks are looked for and fetched with. */
export type ChunkEnv = Pick<PlanEnv, 'paths' | 'fetcher' | 'signal'>;

/**
 * Chunks from old tars and from packs. The fetched frames of a pack lie in `<pack>.sparse` at the
 * very places that they have in the pack: the file needs no list of what it holds, for a frame that
 * is not there, or was torn by a crash, does not open.
 */
export class ChunkSource {
  readonly #env: ChunkEnv;
  readonly #tars = new Map<Digest, TarChunk>();
  readonly #fetched = new Map<Digest, PackChunk>();
  readonly #files = new Map<string, FileAccess>();

  constructor(env: ChunkEnv) {
    this.#env = env;
  }

  /** Offers the chunks of an uncompressed layer. */
  async addTar(path: string): Promise<void> {
    if ((await fileSize(path)) === undefined) return;
    const { signal } = this.#env;
    let offset = 0;
    for await (const chunk of chunkStream(createReadStream(path, { signal }))) {
      this.#tars.set(digestOf(chunk), { path, offset });
      offset += chunk.length;
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
      }
      offset += rawLength;
      this.#env.signal.throwIfAborted();
    }
  }

  /** Takes up what an earlier run fetched of what the index needs. */
  async find(index: ChunkIndex): Promise<void> {
    for (const { pack, chunks } of planChunkFetch(index, this.#have)) {
      const found = await this.#findFetched(pack, chunks);
      this.#env.fetcher.found(
        pack,
        found.reduce((sum, chunk) => sum + chunk.length, 0),
      );
      for (const chunk of found) this.#fetched.set(chunk.digest, { pack, chunk });
    }
  }

  /** What the indexes need and nothing here has: bytes of ranges, and how many there are. */
  missing(indexes: readonly ChunkIndex[]): { readonly bytes: number; readonly requests: number } {
    const planned = new Set<Digest>();
    let bytes = 0;
    let requests = 0;
    for (const index of indexes) {
      const have = (digest: Digest): boolean => planned.has(digest) || this.#have(digest);
      for (const { range, chunks } of planChunkFetch(index, have)) {
        bytes += range.endExclusive - range.start;
        requests += 1;
        for (const chunk of chunks) planned.add(chunk.digest);
      }
    }
    return { bytes, requests };
  }

  /** Fetches what the index needs and nothing here has. */
  async fetch(index: ChunkIndex): Promise<void> {
    for (const { pack, range, chunks } of planChunkFetch(index, this.#have)) {
      const ends = chunks.map((chunk) => chunk.offset + chunk.length);
      await this.#env.fetcher.range(pack, range, this.#sparsePath(pack), ends, async () => {
        await this.#forget(this.#sparsePath(pack));
        for (const chunk of chunks) await this.#openFrame(pack, chunk);
      });
      for (const chunk of chunks) this.#fetched.set(chunk.digest, { pack, chunk });
    }
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
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }

  /** Which of the chunks an earlier run fetched. */
  async #findFetched(
    pack: Digest,
    chunks: readonly IndexedChunk[],
  ): Promise<readonly IndexedChunk[]> {
    const size = (await fileSize(this.#sparsePath(pack))) ?? 0;
    const found: IndexedChunk[] = [];
    for (const chunk of chunks) {
      if (chunk.offset + chunk.length > size) continue;
      try {
        await this.#openFrame(pack, chunk);
        found.push(chunk);
      } catch (error) {
        const absent =
          isStorageError(error, 'corrupt') ||
          isStorageError(error, 'digest_mismatch') ||
          isStorageError(error, 'too_large');
        if (!absent) throw error;
      }
    }
    return found;
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
