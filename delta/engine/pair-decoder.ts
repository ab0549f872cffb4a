import { DeltaError } from '../errors.ts';
import type { BaseSpace } from '../format/base-space.ts';
import type { PairRecord, PairSource } from '../format/pairs.ts';
import { compileKernel } from './kernel-file.ts';
import { Kernel, type KernelCall } from './kernel.ts';

/** Makes the new bytes of pairs, one pair after another, section by section. */
export class PairDecoder {
  readonly #module: WebAssembly.Module;
  readonly #space: BaseSpace;
  #kernel: Kernel | undefined;
  #old: OldBytes;

  private constructor(module: WebAssembly.Module, space: BaseSpace) {
    this.#module = module;
    this.#space = space;
    this.#old = new OldBytes([], space);
  }

  /** Throws `unsupported_version` where the kernel was not built. */
  static async load(space: BaseSpace): Promise<PairDecoder> {
    try {
      return new PairDecoder(await compileKernel(), space);
    } catch (cause) {
      throw new DeltaError(
        'unsupported_version',
        'the delta needs the engine: npm run build makes it',
        {
          cause,
        },
      );
    }
  }

  /** Begins a pair: its control streams follow, then {@link control}. */
  open(pair: PairRecord): void {
    this.#kernel ??= new Kernel(this.#module, {
      read: (offset, into) => {
        this.#old.read(offset, into);
      },
    });
    this.#old = new OldBytes(pair.sources, this.#space);
    this.#call('openDecoder', this.#old.size, pair.newBytes, pair.sources.length, pair.profile);
    pair.sources.forEach(({ length }, n) => {
      this.#call('setSource', n, this.#old.start(n), length);
    });
  }

  /** Where coded stream `index` belongs; the view is valid until the next call. */
  input(index: number, bytes: number): Buffer {
    return this.#running.bytes(this.#call('inputPointer', index, bytes), bytes);
  }

  control(): void {
    this.#call('decodeControl');
  }

  /** Begins the section at this new byte, whose streams were put in; returns where it ends. */
  section(from: number): number {
    return this.#call('openSection', from);
  }

  /** The next bytes of the section, valid until the next call; empty at its end. */
  next(): Buffer {
    const bytes = this.#call('decodeSection');
    return bytes === 0 ? EMPTY : this.#running.output(0);
  }

  get #running(): Kernel {
    if (this.#kernel === undefined) throw new TypeError('no pair is open');
    return this.#kernel;
  }

  #call(name: KernelCall, ...args: readonly number[]): number {
    try {
      return this.#running.call(name, ...args);
    } catch (error) {
      this.#kernel = undefined;
      throw error;
    }
  }
}

const EMPTY = Buffer.alloc(0);

/** The old ranges of a pair, one after another. */
class OldBytes {
  readonly size: number;
  readonly #sources: readonly PairSource[];
  readonly #starts: readonly number[];
  readonly #space: BaseSpace;

  constructor(sources: readonly PairSource[], space: BaseSpace) {
    let at = 0;
    this.#starts = sources.map(({ length }) => {
      const start = at;
      at += length;
      return start;
    });
    this.size = at;
    this.#sources = sources;
    this.#space = space;
  }

  start(source: number): number {
    return this.#starts[source] ?? 0;
  }

  read(offset: number, into: Uint8Array): void {
    for (let n = this.#find(offset), done = 0; done < into.length; n += 1) {
      const source = this.#sources[n];
      if (source === undefined) throw new RangeError(`no old byte at ${offset + done}`);
      const skip = offset + done - this.start(n);
      const bytes = Math.min(source.length - skip, into.length - done);
      const { file, offset: place } = this.#space.locate(source.address + skip, bytes);
      this.#space.readSync(file, place, into.subarray(done, done + bytes));
      done += bytes;
    }
  }

  #find(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.start(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
