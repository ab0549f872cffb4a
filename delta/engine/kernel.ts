import { DeltaError } from '../errors.ts';

/** For benches: the steps that engines of this process leave out, as a sum of `Step`s (kernel/ablation.ts). */
const ABLATE = 'RIVULET_ABLATE';

/** What the kernel asks of its host. */
export interface KernelHost {
  /** Fills `into` with old bytes from `offset`; the kernel asks within the sizes that it was opened with. */
  read(offset: number, into: Uint8Array): void;
  /** Called now and then by long work. */
  tick?(): void;
}

/** Functions of the kernel (kernel/main.ts) by their names. */
export type KernelCall =
  | 'openEncoder'
  | 'openDecoder'
  | 'setSource'
  | 'oldPointer'
  | 'newPointer'
  | 'align'
  | 'encodeControl'
  | 'sectionEnd'
  | 'encodeSection'
  | 'inputPointer'
  | 'decodeControl'
  | 'openSection'
  | 'decodeSection'
  | 'outputStreams'
  | 'outputPointer'
  | 'outputBytes';

type KernelFunction = (...numbers: readonly number[]) => number | undefined;

interface KernelExports extends Readonly<Record<KernelCall, KernelFunction>> {
  /** Leaves steps out (kernel/ablation.ts). */
  readonly setAblation: KernelFunction;
  readonly memory: WebAssembly.Memory;
  /** After `align`: new bytes outside of all blocks. */
  literalBytes?(): number;
  /** What the coded bits went to, in 1/256 bit; kernels without statistics leave these out. */
  statCount?(): number;
  statBits?(index: number): number;
}

/** `Fault` of kernel/fail.ts. */
const FAULT = { badFormat: 1, memory: 2, budget: 3 } as const;

/** One instance of the WebAssembly kernel. After an error it is broken: drop it. */
export class Kernel {
  readonly #exports: KernelExports;

  constructor(module: WebAssembly.Module, host: KernelHost) {
    const instance = new WebAssembly.Instance(module, {
      host: {
        read: (offset: number, pointer: number, length: number): void => {
          host.read(offset >>> 0, this.bytes(pointer, length));
        },
        fail: (fault: number, detail: number): void => {
          throw faultError(fault, detail >>> 0);
        },
        tick: (): void => host.tick?.(),
      },
      env: {
        abort: (): void => {
          throw new DeltaError('bad_format', 'the engine gave up');
        },
      },
    });
    // The build and this file change together; a test calls every function.
    this.#exports = instance.exports as unknown as KernelExports;
    const ablation = Number(process.env[ABLATE] ?? 0);
    if (ablation !== 0) this.#exports.setAblation(ablation);
  }

  /**
   * Calls one of the kernel's functions; its result as an unsigned number. Throws `bad_format` for
   * coded bytes that break the format (also where that shows as a trap), `budget` when memory runs out,
   * and whatever the host's own functions threw.
   */
  call(name: KernelCall, ...numbers: readonly number[]): number {
    try {
      return (this.#exports[name](...numbers) ?? 0) >>> 0;
    } catch (cause) {
      if (!(cause instanceof WebAssembly.RuntimeError)) throw cause;
      throw new DeltaError('bad_format', `the engine stopped in ${name}: ${cause.message}`, {
        cause,
      });
    }
  }

  /** A view of the kernel's memory, valid until the next call. */
  bytes(pointer: number, length: number): Buffer {
    return Buffer.from(this.#exports.memory.buffer, pointer >>> 0, length >>> 0);
  }

  /** A view of output stream `index` of the last call. */
  output(index: number): Buffer {
    return this.bytes(this.call('outputPointer', index), this.call('outputBytes', index));
  }

  /** New bytes that nothing old resembles, once `align` is over; 0 if the kernel does not say. */
  literalBytes(): number {
    return (this.#exports.literalBytes?.() ?? 0) >>> 0;
  }

  /** Bytes by what they were spent on (engine/statistics.ts names them); empty if it does not count. */
  statistics(): readonly number[] {
    const exports = this.#exports;
    const count = exports.statCount?.() ?? 0;
    return Array.from({ length: count }, (_, n) => (exports.statBits?.(n) ?? 0) / 256 / 8);
  }
}

function faultError(fault: number, detail: number): DeltaError {
  switch (fault) {
    case FAULT.memory:
      return new DeltaError('budget', `the engine got no memory for ${detail} bytes`);
    case FAULT.budget:
      return new DeltaError('budget', 'the engine ran out of its time');
    default:
      return new DeltaError('bad_format', `the coded bytes of a pair are damaged (${detail})`, {
        detail: { fault, detail },
      });
  }
}
