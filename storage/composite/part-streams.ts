import type { BlobReader } from '../blob-store.ts';
import type { Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { IoOptions } from '../object-store.ts';
import type { CompositePart } from './composite-map.ts';

/** Reading over a gap of this size is quicker than asking a remote store again. */
const JOIN_GAP_BYTES = 64 * 1024;
/** Streams open at once: parts of some blobs take turns. */
const MAX_OPEN = 8;

interface OpenStream {
  readonly pieces: AsyncIterator<Buffer>;
  /** The blob's byte that comes next. */
  position: number;
  readonly end: number;
  rest: Buffer;
}

/**
 * Reads parts in their order, each blob's near ones through one stream that stays open while parts of other
 * blobs are read. Close it.
 */
export class PartStreams {
  readonly #blobs: BlobReader;
  readonly #parts: readonly CompositePart[];
  readonly #options: IoOptions;
  /** By part: the next part of the same blob. */
  readonly #nexts: readonly (number | undefined)[];
  readonly #open = new Map<Digest, OpenStream>();

  constructor(blobs: BlobReader, parts: readonly CompositePart[], options: IoOptions) {
    this.#blobs = blobs;
    this.#parts = parts;
    this.#options = options;
    this.#nexts = nextOfSameBlob(parts);
  }

  /** The bytes of the part of that index; indexes ascend. Throws as the store does, and `corrupt` when it brings too little. */
  async *read(index: number): AsyncGenerator<Buffer> {
    const part = this.#parts[index];
    if (part === undefined) return;
    const stream = await this.#streamFor(index, part);
    for (let skip = part.offset - stream.position; skip > 0;) {
      skip -= (await take(stream, skip, part.blob)).length;
    }
    for (let left = part.length; left > 0;) {
      const piece = await take(stream, left, part.blob);
      left -= piece.length;
      yield piece;
    }
    if (stream.position === stream.end) await this.#drop(part.blob);
  }

  async close(): Promise<void> {
    for (const blob of [...this.#open.keys()]) await this.#drop(blob);
  }

  async #streamFor(index: number, part: CompositePart): Promise<OpenStream> {
    const { blob, offset } = part;
    const known = this.#open.get(blob);
    if (known !== undefined) {
      const near = offset >= known.position && offset + part.length <= known.end;
      if (near) {
        this.#open.delete(blob);
        this.#open.set(blob, known);
        return known;
      }
      await this.#drop(blob);
    }
    const end = this.#endOfRun(index);
    const source = await this.#blobs.open(blob, {
      range: { start: offset, endExclusive: end },
      signal: this.#options.signal,
    });
    const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const stream: OpenStream = { pieces, position: offset, end, rest: Buffer.alloc(0) };
    this.#open.set(blob, stream);
    for (const oldest of [...this.#open.keys()].slice(0, -MAX_OPEN)) await this.#drop(oldest);
    return stream;
  }

  /** Where the last of the parts ends that follow each other closely in the blob. */
  #endOfRun(index: number): number {
    let end = endOf(this.#parts[index]);
    for (let next = this.#nexts[index]; next !== undefined; next = this.#nexts[next]) {
      const gap = (this.#parts[next]?.offset ?? 0) - end;
      if (gap < 0 || gap > JOIN_GAP_BYTES) break;
      end = endOf(this.#parts[next]);
    }
    return end;
  }

  async #drop(blob: Digest): Promise<void> {
    const stream = this.#open.get(blob);
    this.#open.delete(blob);
    await stream?.pieces.return?.();
  }
}

function nextOfSameBlob(parts: readonly CompositePart[]): readonly (number | undefined)[] {
  const nexts = new Array<number | undefined>(parts.length);
  const later = new Map<Digest, number>();
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    const blob = parts[index]?.blob;
    if (blob === undefined) continue;
    nexts[index] = later.get(blob);
    later.set(blob, index);
  }
  return nexts;
}

function endOf(part: CompositePart | undefined): number {
  return part === undefined ? 0 : part.offset + part.length;
}

async function take(stream: OpenStream, most: number, blob: Digest): Promise<Buffer> {
  while (stream.rest.length === 0) {
    const next = await stream.pieces.next();
    if (next.done === true) {
      throw new StorageError(
        'corrupt',
        `${blob} ends at byte ${stream.position}, more was expected`,
      );
    }
    stream.rest = next.value;
  }
  const piece = stream.rest.subarray(0, most);
  stream.rest = stream.rest.subarray(piece.length);
  stream.position += piece.length;
  return piece;
}
