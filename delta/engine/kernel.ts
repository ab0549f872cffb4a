import { DeltaError } from '../errors.ts';
import { stepsLeftOut } from './ablation.ts';
import { readExports, type WasmExports } from './wasm-exports.ts';

/** What the kernel asks of its host. */
export interface KernelHost {
  /** Fills `into` with old bytes from `offset`; the kernel asks within the sizes that it was opened with. */
  read(offset: number, into: Uint8Array): void;
  /** Called now and then by long work. */
  tick?(): void;
}

/** Functions of the kernel (kernel/main.ts) by their names. */
const CALLS = [
  'openEncoder',
  'openDecoder',
  'setSource',
  'oldPointer',
  'newPointer',
  'align',
  'literalBytes',
  'encodeControl',
  'sectionEnd',
  'encodeSection',
  'inputPointer',
  'decodeControl',
  'openSection',
  'decodeSection',
  'outputStreams',
  'outputPointer',
  'outputBytes',
  'setAblation',
  'statCount',
  'statBits',
] as const;

export type KernelCall = (typeof CALLS)[number];

/** `Fault` of kernel/fail.ts. */
const FAULT = { badFormat: 1, memory: 2, budget: 3 } as const;

/** One instance of the WebAssembly kernel. After an error it is broken: drop it. */
export class Kernel {
  readonly #exports: WasmExports<KernelCall>;

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
    this.#exports = readExports(instance, CALLS);
    this.call('setAblation', stepsLeftOut());
  }

  /**
   * Calls one of the kernel's functions; its result as an unsigned number. Throws `bad_format` for
   * coded bytes that break the format (also where that shows as a trap), `budget` when memory runs out,
   * and whatever the host's own functions threw.
   */
  call(name: KernelCall, ...numbers: readonly number[]): number {
    try {
      return (this.#exports.functions[name](...numbers) ?? 0) >>> 0;
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

  /** Bytes by what they were spent on (engine/statistics.ts names them). */
  statistics(): readonly number[] {
    // `statBits` is in 1/256 bit, and more than 32 bits of it: no `call`.
    const { statBits } = this.#exports.functions;
    return Array.from({ length: this.call('statCount') }, (_, n) => (statBits(n) ?? 0) / 256 / 8);
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
