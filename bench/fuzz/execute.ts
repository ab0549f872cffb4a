import { CodedError } from '../../storage/errors.ts';
import { Random } from './random.ts';
import type { Execute } from './target.ts';

const MAX_MS = 1000;
/** A slow machine gets this many more chances. */
const AGAIN = 2;

export interface Finding {
  readonly target: string;
  readonly number: number;
  readonly problem: string;
}

/** One execution, by its number: what is wrong with it, or undefined. */
export async function execute(
  run: Execute,
  target: string,
  seed: number,
  number: number,
): Promise<Finding | undefined> {
  const once = async (): Promise<{ readonly ms: number; readonly problem: string | undefined }> => {
    const started = performance.now();
    const problem = await problemOf(() => run(new Random(seed, target, number)));
    return { ms: performance.now() - started, problem };
  };
  let { ms, problem } = await once();
  for (let left = AGAIN; problem === undefined && ms > MAX_MS && left > 0; left -= 1) {
    ({ ms, problem } = await once());
  }
  if (ms > MAX_MS) problem ??= `took ${Math.round(ms)} ms`;
  return problem === undefined ? undefined : { target, number, problem };
}

/** Errors with a code refuse the input, unless a trap of the kernel is behind them. */
async function problemOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    const trap = error instanceof Error && error.cause instanceof WebAssembly.RuntimeError;
    if (error instanceof CodedError && !trap) return undefined;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
