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
  /** True if all that is wrong is the time, of which a busy machine takes its part. */
  readonly isSlow: boolean;
  /** The hostile bytes by name. */
  readonly inputs: Readonly<Record<string, Uint8Array>>;
}

/** One execution, by its number: what is wrong with it, or undefined. */
export async function execute(
  run: Execute,
  target: string,
  seed: number,
  number: number,
): Promise<Finding | undefined> {
  const inputs: Record<string, Uint8Array> = {};
  const once = async (): Promise<{ readonly ms: number; readonly problem: string | undefined }> => {
    const started = performance.now();
    const used = process.cpuUsage();
    const problem = await problemOf(() =>
      run(new Random(seed, target, number), (name, bytes) => {
        inputs[name] = bytes;
      }),
    );
    const { user, system } = process.cpuUsage(used);
    // All threads' time: more than this one's, but nothing for waiting until a core is free.
    return { ms: Math.min(performance.now() - started, (user + system) / 1000), problem };
  };
  let { ms, problem } = await once();
  for (let left = AGAIN; problem === undefined && ms > MAX_MS && left > 0; left -= 1) {
    ({ ms, problem } = await once());
  }
  const isSlow = problem === undefined && ms > MAX_MS;
  if (isSlow) problem = `took ${Math.round(ms)} ms`;
  return problem === undefined ? undefined : { target, number, problem, isSlow, inputs };
}

/** Errors with a code refuse the input, unless a trap of the kernel is behind them. */
async function problemOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof CodedError && !isTrap(error)) return undefined;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function isTrap(error: unknown): boolean {
  if (error instanceof WebAssembly.RuntimeError) return true;
  return error instanceof Error && isTrap(error.cause);
}
