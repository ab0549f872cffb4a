import type { ByteRange } from '../../storage/object-store.ts';
import type { BodyWriter } from './body-writer.ts';
import type { OpenFile } from './open-file.ts';

/** Several ranges within so many bytes cost one read: copying this much is quicker than reading twice. */
const WINDOW_BYTES = 64 * 1024;

/**
 * Reads ranges in their order out of a file that its owner closes: small ones that follow each other
 * closely out of one read, others straight into the body's own buffer.
 */
export class FileReader {
  readonly #file: OpenFile;
  readonly #ranges: readonly ByteRange[];
  #window: Buffer | undefined;
  /** The bytes of the file that the window holds. */
  #held: ByteRange = { start: 0, endExclusive: 0 };

  constructor(file: OpenFile, ranges: readonly ByteRange[]) {
    this.#file = file;
    this.#ranges = ranges;
  }

  /** Writes the range of that index; indexes ascend. */
  async send(index: number, body: BodyWriter): Promise<void> {
    const range = this.#ranges[index];
    if (range === undefined) throw new RangeError(`no range ${index}`);
    if (!isWithin(range, this.#held)) {
      const span = this.#spanFrom(index, range);
      if (span === undefined) {
        await body.file(this.#file, range);
        return;
      }
      await this.#hold(span);
    }
    const { start } = this.#held;
    const window = this.#window ?? Buffer.alloc(0);
    await body.bytes(window.subarray(range.start - start, range.endExclusive - start));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What one read should bring; undefined when the next range is not in the same window. */
  #spanFrom(index: number, range: ByteRange): ByteRange | undefined {
    const { start } = range;
    const window = { start, endExclusive: start + WINDOW_BYTES };
    if (!isWithin(range, window)) return undefined;
    let { endExclusive } = range;
    let after = index + 1;
    for (; after < this.#ranges.length; after += 1) {
      const next = this.#ranges[after];
      if (next === undefined || !isWithin(next, window)) break;
      endExclusive = Math.max(endExclusive, next.endExclusive);
    }
    return after === index + 1 ? undefined : { start, endExclusive };
  }

  async #hold({ start, endExclusive }: ByteRange): Promise<void> {
    const window = (this.#window ??= Buffer.allocUnsafe(WINDOW_BYTES));
    this.#held = { start, endExclusive: start };
    for (let position = start; position < endExclusive;) {
      position += await this.#file.read(
        window,
        position - start,
        endExclusive - position,
        position,
      );
    }
    this.#held = { start, endExclusive };
  }
}

function isWithin(inner: ByteRange, outer: ByteRange): boolean {
  return inner.start >= outer.start && inner.endExclusive <= outer.endExclusive;
}
