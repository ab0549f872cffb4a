import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { readExports, type WasmFunction } from '../../../delta/engine/wasm-exports.ts';

/** Thrown when the kernel gives up as it should; traps are not. */
export class KernelFault extends Error {}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Compiles AssemblyScript that stands beside the kernel's own entry: in `source`, `kernel/` at the
 * beginning of an import's path is delta/kernel.
 */
export function compileKernel(source: string): WebAssembly.Module {
  const folder = mkdtempSync(join(tmpdir(), 'rivulet-kernel-'));
  try {
    const kernel = relative(folder, join(ROOT, 'delta/kernel'));
    writeFileSync(join(folder, 'entry.ts'), source.replaceAll("'kernel/", `'${kernel}/`));
    const output = join(folder, 'kernel.wasm');
    const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
    const options = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert'];
    const entry = join(folder, 'entry.ts');
    execFileSync(process.execPath, [compiler, entry, '--outFile', output, ...options], {
      cwd: ROOT,
      stdio: 'pipe',
    });
    return new WebAssembly.Module(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface StartedKernel<Name extends string> {
  /** The functions; what returns nothing returns 0. */
  readonly run: Readonly<Record<Name, (...numbers: readonly number[]) => number>>;
  readonly memory: WebAssembly.Memory;
  /** A view of its memory, valid until that grows. */
  readonly bytes: (at: number, length: number) => Uint8Array;
  /** Copies bytes to new memory; needs an `alloc` among the functions. */
  readonly put: (bytes: Uint8Array, spare?: number) => number;
}

export interface TestHost {
  /** Old bytes that are not in memory; without, reading is a fault of the test. */
  readonly old?: Uint8Array;
  readonly onRead?: (bytes: number) => void;
  readonly onTick?: () => void;
}

/** An instance with the functions that are named, whose faults are {@link KernelFault}. */
export function startKernel<Name extends string>(
  module: WebAssembly.Module,
  names: readonly Name[],
  { old, onRead, onTick }: TestHost = {},
): StartedKernel<Name | 'alloc'> {
  const host = {
    read: (offset: number, to: number, length: number) => {
      if (old === undefined) throw new Error('unexpected read');
      onRead?.(length);
      bytes(to, length).set(old.subarray(offset, offset + length));
    },
    fail: (fault: number, detail: number) => {
      throw new KernelFault(`fault ${fault} at ${detail}`);
    },
    tick: () => onTick?.(),
  };
  const abort = () => {
    throw new Error('abort');
  };
  const instance = new WebAssembly.Instance(module, { host, env: { abort } });
  const { functions, memory } = readExports<Name | 'alloc'>(instance, [...names, 'alloc']);
  const run = Object.fromEntries(
    Object.entries<WasmFunction>(functions).map(([name, call]) => [
      name,
      (...numbers: readonly number[]) => call(...numbers) ?? 0,
    ]),
  ) as StartedKernel<Name | 'alloc'>['run'];
  const bytes = (at: number, length: number) => new Uint8Array(memory.buffer, at, length);
  const put = (content: Uint8Array, spare = 0): number => {
    const at = run.alloc(content.length + spare);
    bytes(at, content.length).set(content);
    return at;
  };
  return { run, memory, bytes, put };
}
