import { Worker } from 'node:worker_threads';

import type { CaptureOrder, Captured } from './order.ts';

/** Inputs are given out before they are used: they come at once, or not at all. */
const WAIT_MS = 10_000;

/** The hostile bytes of an execution that never ends, or that ends its thread. */
export async function captureInputs(
  target: string,
  seed: number,
  number: number,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const workerData: CaptureOrder = { target, seed, capture: number };
  const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url), { workerData });
  const inputs: Record<string, Uint8Array> = {};
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, WAIT_MS);
    worker.on('message', ({ name, bytes }: Captured) => {
      inputs[name] = bytes;
    });
    // However it ends: that it does not end well is known.
    worker.once('error', () => undefined);
    worker.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  await worker.terminate();
  return inputs;
}
