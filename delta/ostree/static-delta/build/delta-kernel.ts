import { compileKernel } from '../../../engine/kernel-file.ts';
import { readExports, type WasmExports } from '../../../engine/wasm-exports.ts';
import { DeltaError } from '../../../errors.ts';

/** Functions of the kernel (delta/kernel/main.ts) that make static deltas. */
const CALLS = [
  'openSegments',
  'segmentsOld',
  'segmentsNew',
  'findSegments',
  'segmentsFound',
  'openLzma',
  'lzmaInput',
  'codeLzma',
  'lzmaOutput',
] as const;

export type DeltaKernelCall = (typeof CALLS)[number];

/** One instance of the WebAssembly kernel, for matching or for compressing. */
export class DeltaKernel {
  readonly #exports: WasmExports<DeltaKernelCall>;

  constructor(module: WebAssembly.Module) {
    const instance = new WebAssembly.Instance(module, {
      host: {
        read: unasked,
        fail: (): void => {
          throw new DeltaError('budget', 'the kernel got no memory to make a static delta');
        },
        tick: (): void => undefined,
      },
      env: { abort: unasked },
    });
    this.#exports = readExports(instance, CALLS);
  }

  /** The kernel's module. Throws `unsupported_version` where it was not built. */
  static async compile(): Promise<WebAssembly.Module> {
    try {
      return await compileKernel();
    } catch (cause) {
      const what = 'static deltas need the engine: npm run build makes it';
      throw new DeltaError('unsupported_version', what, { cause });
    }
  }

  /** Calls one of the functions; its result as an unsigned number. Throws `budget` without memory. */
  call(name: DeltaKernelCall, ...numbers: readonly number[]): number {
    return (this.#exports.functions[name](...numbers) ?? 0) >>> 0;
  }

  /** A view of the kernel's memory, valid until the next call. */
  bytes(pointer: number, length: number): Buffer {
    return Buffer.from(this.#exports.memory.buffer, pointer, length);
  }

  /** Of its memory, which never shrinks. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }
}

function unasked(): never {
  throw new RangeError('the kernel asks for what static deltas do not need');
}
