import { Kernel } from '../../delta/engine/kernel.ts';
import { compileKernel } from '../../delta/engine/kernel-file.ts';
import { Wrong } from './target.ts';

/** What a device may spend on a kernel (FORMAT.md). */
const MAX_DECODER_BYTES = 32 * 1024 * 1024;
/** What an encoder may take: so much for its models (measured: 14 MB), and so many bytes for each of old and new. */
const ENCODER_BYTES = 16 * 1024 * 1024;
const ENCODER_FACTOR = 32;
/** Decoding stops after this much: a lie about the length is none about the time. */
const ENOUGH_BYTES = 256 * 1024;

export type Streams = readonly Buffer[];

/** The coded streams of a pair. */
export interface CodedPair {
  readonly profile: number;
  readonly newBytes: number;
  readonly control: Streams;
  readonly sections: readonly Streams[];
}

/** Encodes and decodes pairs of one old range; a kernel that gave up is replaced. */
export class PairKernel {
  readonly #module: WebAssembly.Module;
  #decoder: Kernel | undefined;
  #old: Buffer = Buffer.alloc(0);

  private constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  static async load(): Promise<PairKernel> {
    return new PairKernel(await compileKernel());
  }

  encode(profile: number, old: Buffer, fresh: Buffer): CodedPair {
    const kernel = new Kernel(this.#module, {
      read: () => {
        throw new Wrong('the encoder read from its host');
      },
    });
    kernel.call('openEncoder', old.length, fresh.length, 1, profile);
    kernel.call('setSource', 0, 0, old.length);
    kernel.bytes(kernel.call('oldPointer'), old.length).set(old);
    kernel.bytes(kernel.call('newPointer'), fresh.length).set(fresh);
    kernel.call('align');
    kernel.call('encodeControl');
    const control = outputsOf(kernel);
    const sections: Streams[] = [];
    for (let from = 0; from < fresh.length; from = kernel.call('sectionEnd', from)) {
      kernel.call('encodeSection', from);
      sections.push(outputsOf(kernel));
    }
    checkMemory(kernel, ENCODER_BYTES + ENCODER_FACTOR * (old.length + fresh.length));
    return { profile, newBytes: fresh.length, control, sections };
  }

  /**
   * What the streams make of `old` from new byte `from` on, where the first section is said to begin;
   * no more than some hundred KB of it.
   */
  decode(old: Buffer, pair: CodedPair, from = 0): Buffer {
    this.#old = old;
    const kernel = (this.#decoder ??= this.#newDecoder());
    try {
      return decodeWith(kernel, old.length, pair, from);
    } catch (error) {
      this.#decoder = undefined;
      throw error;
    } finally {
      checkMemory(kernel, MAX_DECODER_BYTES);
    }
  }

  #newDecoder(): Kernel {
    return new Kernel(this.#module, {
      read: (offset, into) => {
        const bytes = this.#old.subarray(offset, offset + into.length);
        if (bytes.length !== into.length)
          throw new Wrong(`no ${into.length} old bytes at ${offset}`);
        into.set(bytes);
      },
    });
  }
}

function decodeWith(kernel: Kernel, oldBytes: number, pair: CodedPair, from: number): Buffer {
  kernel.call('openDecoder', oldBytes, pair.newBytes, 1, pair.profile);
  kernel.call('setSource', 0, 0, oldBytes);
  putInputs(kernel, pair.control);
  kernel.call('decodeControl');
  const parts: Buffer[] = [];
  let at = from;
  for (const streams of pair.sections) {
    if (at >= pair.newBytes) break;
    putInputs(kernel, streams);
    const end = kernel.call('openSection', at);
    for (;;) {
      const bytes = kernel.call('decodeSection');
      if (bytes === 0) break;
      parts.push(Buffer.from(kernel.output(0)));
      at += bytes;
      if (at - from > ENOUGH_BYTES) return Buffer.concat(parts);
    }
    if (at !== end) throw new Wrong(`a section to ${end} ended at ${at}`);
  }
  return Buffer.concat(parts);
}

function checkMemory(kernel: Kernel, bound: number): void {
  const { byteLength } = kernel.bytes(0, 0).buffer;
  if (byteLength > bound)
    throw new Wrong(`a kernel took ${byteLength} bytes, the bound is ${bound}`);
}

function putInputs(kernel: Kernel, streams: Streams): void {
  for (const [index, bytes] of streams.entries()) {
    kernel.bytes(kernel.call('inputPointer', index, bytes.length), bytes.length).set(bytes);
  }
}

function outputsOf(kernel: Kernel): Streams {
  return Array.from({ length: kernel.call('outputStreams') }, (_, n) =>
    Buffer.from(kernel.output(n)),
  );
}
