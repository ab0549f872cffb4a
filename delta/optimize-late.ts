import { setFlagsFromString } from 'node:v8';

/** V8's interrupt budget, in bytes of bytecode that a function runs through; by default 132 KiB. */
const LATE_BUDGET = 2_000_000;

/**
 * Makes V8 optimize JavaScript later, for the whole process: a program that applies one delta and ends
 * does its work in WebAssembly (which this leaves alone), and the optimizing compiler's threads
 * would keep 4 MB and take a tenth of its processor time. Loops that run for long are still optimized.
 */
export function optimizeLate(): void {
  setFlagsFromString(`--interrupt-budget=${LATE_BUDGET}`);
}
