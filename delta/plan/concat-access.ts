import type { RandomAccess } from '../../storage/random-access.ts';
import type { Segment } from '../codecs/segments.ts';

/** Several sources one after another; bytes of `segments[n]` are those of `sources[n]`. */
export class ConcatAccess implements RandomAccess {
  readonly size: number;
  readonly segments: readonly Segment[];
  readonly #sources: readonly RandomAccess[];

  constructor(sources: readonly RandomAccess[]) {
    this.#sources = sources;
    let start = 0;
    this.segments = sources.map((source) => {
      const segment = { start, origin: 0, length: source.size };
      start += source.size;
      return segment;
    });
    this.size = start;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (const [n, segment] of this.segments.entries()) {
      const from = Math.max(offset, segment.start);
      const to = Math.min(offset + length, segment.start + segment.length);
      const source = this.#sources[n];
      if (from < to && source !== undefined) {
        parts.push(await source.read(from - segment.start, to - from));
      }
    }
    return Buffer.concat(parts);
  }

  readSync(offset: number, into: Uint8Array): void {
    for (const [n, segment] of this.segments.entries()) {
      const from = Math.max(offset, segment.start);
      const to = Math.min(offset + into.length, segment.start + segment.length);
      if (from >= to) continue;
      this.#sources[n]?.readSync(from - segment.start, into.subarray(from - offset, to - offset));
    }
  }
}
