import { setFlagsFromString } from 'node:v8';

/** V8's interrupt budget, in bytes of bytecode that a function runs through; by default 132 KiB. */
const LATE_BUDGET = 2_000_000;

/**
 * Makes V8 compile less, for the whole process: a program that applies one delta and ends.
 *
 * - JavaScript is optimized later: the work is done in WebAssembly, and the optimizing compiler's threads
 *   would keep 4 MB and take a tenth of the processor time. Loops that run for long are still optimized.
 * - A WebAssembly function is compiled when it is first called, as V8 does by itself from Node 22 on:
 *   applying never calls what finds matches and references of other machines.
 */
export function optimizeLate(): void {
  setFlagsFromString(`--interrupt-budget=${LATE_BUDGET}`);
  setFlagsFromString('--wasm-lazy-compilation');
}
