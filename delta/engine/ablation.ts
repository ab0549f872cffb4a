/** The environment variable for it, read by `rivulet delta build` and `apply`: a number. */
export const ABLATE = 'RIVULET_ABLATE';

/** Steps of the engine that this process leaves out (kernel/ablation.ts): a sum of `Step`s. */
let leftOut = 0;

/**
 * For benches: engines opened from now on leave steps out, to build and to apply. What they build can be
 * applied only by one that leaves out the same, so nothing but the command line's own builds may ask.
 */
export function leaveOut(steps: number): void {
  leftOut = steps;
}

export function stepsLeftOut(): number {
  return leftOut;
}
