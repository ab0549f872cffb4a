import { TarWalk } from '../tar/tar-walk.ts';
import {
  chunkStream,
  MIN_CHUNK_BYTES,
  type Boundaries,
  type ChunkStreamOptions,
} from './fastcdc.ts';

/**
 * Cuts a layer's tar into chunks on file boundaries: each file of at least {@link MIN_CHUNK_BYTES} from
 * its own first byte to its last, so that it makes the same chunks in another layer, behind another
 * header, or as an OSTree object; what lies between such files (headers, padding, smaller files) as one
 * run. LAYOUT.md, "Chunks". What is no tar, or only to a point, is cut as one run from there on.
 */
export async function* chunkTar(
  source: AsyncIterable<Buffer>,
  options: Pick<ChunkStreamOptions, 'cut' | 'arenas'> = {},
): AsyncIterable<Buffer> {
  const boundaries = new FileBoundaries();
  const walk = new TarWalk(({ header, payloadStart, size, storesPayload }) => {
    if (!storesPayload || size < MIN_CHUNK_BYTES || header.type === 'S') return;
    boundaries.add(payloadStart);
    boundaries.add(payloadStart + size);
  });
  async function* walked(): AsyncIterable<Buffer> {
    for await (const part of source) {
      if (!walk.isDone) walk.push(part);
      yield part;
    }
  }
  yield* chunkStream(walked(), { ...options, boundaries });
}

/** A queue: offsets are asked for in ascending order. */
class FileBoundaries implements Boundaries {
  #waiting: number[] = [];
  #first = 0;

  add(offset: number): void {
    if (Number.isSafeInteger(offset)) this.#waiting.push(offset);
  }

  after(offset: number): number | undefined {
    for (;;) {
      const next = this.#waiting[this.#first];
      if (next === undefined) {
        this.#waiting = [];
        this.#first = 0;
        return undefined;
      }
      if (next > offset) return next;
      this.#first += 1;
    }
  }
}
