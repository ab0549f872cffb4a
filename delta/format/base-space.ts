import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';

/** Reads shorter than this go through the window: many short copies lie close together. */
const WINDOW_BYTES = 128 * 1024;

/** The base files as one space of addresses (FORMAT.md, "Address space"). */
export class BaseSpace {
  readonly #files: readonly RandomAccess[];
  /** First address of each file. */
  readonly #starts: readonly number[];
  #window: { readonly file: number; readonly offset: number; readonly bytes: Buffer } | undefined;

  constructor(files: readonly RandomAccess[]) {
    this.#files = files;
    let at = 0;
    this.#starts = files.map((file) => {
      const start = at;
      at += file.size;
      return start;
    });
  }

  /** First address of a file. */
  start(file: number): number {
    return this.#starts[file] ?? 0;
  }

  /** Checks that a range lies in one base file; `bad_format` otherwise. */
  locate(address: number, length: number): { readonly file: number; readonly offset: number } {
    let low = 0;
    let high = this.#files.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.start(middle) <= address) low = middle;
      else high = middle - 1;
    }
    const offset = address - this.start(low);
    const size = this.#files[low]?.size ?? 0;
    if (address < 0 || offset + length > size) {
      throw new DeltaError(
        'bad_format',
        `the delta copies ${length} bytes from address ${address}, outside of its base`,
        { detail: { address, length } },
      );
    }
    return { file: low, offset };
  }

  async read(file: number, offset: number, length: number): Promise<Buffer> {
    const source = this.#files[file];
    if (source === undefined) throw new DeltaError('bad_format', `there is no base file ${file}`);
    if (length >= WINDOW_BYTES) return source.read(offset, length);
    let window = this.#window;
    if (
      window?.file !== file ||
      offset < window.offset ||
      offset + length > window.offset + window.bytes.length
    ) {
      const bytes = await source.read(offset, Math.min(WINDOW_BYTES, source.size - offset));
      window = { file, offset, bytes };
      this.#window = window;
    }
    const start = offset - window.offset;
    return window.bytes.subarray(start, start + length);
  }
}
