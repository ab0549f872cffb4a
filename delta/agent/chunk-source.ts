import { createReadStream } from 'node:fs';

import type { ChunkIndex, IndexedChunk } from '../../storage/chunk/chunk-index.ts';
import { chunkStream } from '../../storage/chunk/fastcdc.ts';
import { openChunk, planChunkFetch, type ChunkFetch } from '../../storage/chunk/restore.ts';
import { chunkTar } from '../../storage/chunk/tar-chunks.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
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

/** A frame that is not there, or not whole. */
const DAMAGE: ReadonlySet<string> = new Set(['corrupt', 'digest_mismatch', 'too_large']);

/** What chunks are looked for and fetched with. */
export type ChunkEnv = Pick<PlanEnv, 'paths' | 'fetcher' | 'signal' | 'buffers'>;

/**
 * Chunks from old tars and from packs. The fetched frames of a pack lie in `<pack>.sparse` at the
 * very places that they have in the pack: the file needs no list of what it holds, for a frame that
 * is not there, or was torn by a crash, does not open. Of one that broke off the half is kept: the
 * rest is fetched to it, and all of it only if the two do not open together.
 */
export class ChunkSource {
  readonly #env: ChunkEnv;
  readonly #tars = new Map<Digest, TarChunk>();
  readonly #fetched = new Map<Digest, PackChunk>();
  /** First bytes of frames that an interrupted run left, by chunk; they may be torn. */
  readonly #halves = new Map<Digest, number>();
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
    for (const { pack, chunks } of planChunkFetch(index, this.#have)) {
      const found = await this.#findFetched(pack, chunks);
      const halves = chunks.reduce((sum, { digest }) => sum + (this.#halves.get(digest) ?? 0), 0);
      this.#env.fetcher.found(
        pack,
        found.reduce((sum, chunk) => sum + chunk.length, halves),
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
    for (const fetch of planChunkFetch(index, this.#have)) {
      const { pack, chunks } = fetch;
      const isTorn = await this.#fetchRange(fetch);
      const [first] = chunks;
      if (isTorn && first !== undefined) {
        const { offset: start, length } = first;
        await this.#fetchRange({
          ...{ pack, chunks: [first] },
          range: { start, endExclusive: start + length },
        });
      }
      for (const chunk of chunks) this.#fetched.set(chunk.digest, { pack, chunk });
    }
  }

  /** Goes on after the half of the first frame; true when that frame has to be fetched whole. */
  async #fetchRange({ pack, range, chunks }: ChunkFetch): Promise<boolean> {
    const path = this.#sparsePath(pack);
    const [first] = chunks;
    const half = this.#halves.get(first?.digest ?? ('' as Digest)) ?? 0;
    if (first !== undefined) this.#halves.delete(first.digest);
    const rest = { start: range.start + half, endExclusive: range.endExclusive };
    const ends = chunks.map((chunk) => chunk.offset + chunk.length);
    let isTorn = false;
    const want = { digest: pack, range: rest, path, cuts: ends };
    await this.#env.fetcher.range(want, async () => {
      await this.#forget(path);
      for (const chunk of chunks) {
        const damage = await this.#damage(pack, chunk);
        if (damage === undefined) continue;
        if (chunk !== first || half === 0) throw damage;
        isTorn = true;
      }
    });
    return isTorn;
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
      const end = chunk.offset + chunk.length;
      if (end <= size && (await this.#damage(pack, chunk)) === undefined) found.push(chunk);
      else if (chunk.offset < size) await this.#findHalf(pack, chunk, Math.min(size, end));
    }
    return found;
  }

  /** What lies of a frame that does not open: up to where holes begin, which read as zeros. */
  async #findHalf(
    pack: Digest,
    { digest, offset, length }: IndexedChunk,
    end: number,
  ): Promise<void> {
    const file = await this.#file(this.#sparsePath(pack));
    const bytes = await file.read(offset, end - offset);
    const half = bytes.findLastIndex((byte) => byte !== 0) + 1;
    // At least a byte has to come: it tells whether the half belongs to it.
    if (half > 0) this.#halves.set(digest, Math.min(half, length - 1));
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
