import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { OldBlocks } from './old-blocks.ts';

/** The base files as one space of addresses (FORMAT.md, "Address space"). */
export class BaseSpace {
  readonly #files: readonly RandomAccess[];
  /** First address of each file. */
  readonly #starts: readonly number[];
  readonly #blocks = new OldBlocks();

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

  /** Bytes from an address to the end of its base file. */
  left(address: number): number {
    const { file, offset } = this.locate(address, 0);
    return (this.#files[file]?.size ?? 0) - offset;
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
    return this.#file(file).read(offset, length);
  }

  /** Fills `into` from a base file. */
  readSync(file: number, offset: number, into: Uint8Array): void {
    this.#blocks.readSync(this.#file(file), offset, into);
  }

  #file(file: number): RandomAccess {
    const source = this.#files[file];
    if (source === undefined) throw new DeltaError('bad_format', `there is no base file ${file}`);
    return source;
  }
}
