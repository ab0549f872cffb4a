import { readFile } from 'node:fs/promises';

/**
 * A file that the build makes, seen from this folder: beside the compiled sources, or in `dist` when
 * the sources themselves run (tests).
 */
export function builtFile(path: string): URL {
  const isSource = import.meta.url.endsWith('.ts');
  return new URL(isSource ? `../../dist/delta/${path}` : `../${path}`, import.meta.url);
}

export const ENCODE_WORKER = builtFile('engine/encode-worker.js');

/** Compiles the kernel. Rejects with the errno of a build that is not there. */
export async function compileKernel(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(builtFile('kernel/kernel.wasm')));
}
