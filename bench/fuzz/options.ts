import { parseArgs } from 'node:util';

import { readFinding } from './finding-file.ts';
import type { Target } from './target.ts';

const EXECUTIONS = 1_000_000;

/** What `npm run bench -- fuzz` takes. */
export interface FuzzOptions {
  readonly seed: number;
  readonly targets: readonly Target[];
  /** Of all targets together. */
  readonly executions: number;
  /** The one execution of each target that is wanted, by its number. */
  readonly only: number | undefined;
  /** Where findings are written. */
  readonly out: string;
}

/** Throws for what is not understood. */
export async function parseFuzzOptions(
  args: readonly string[],
  known: readonly Target[],
): Promise<FuzzOptions> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      executions: { type: 'string', default: String(EXECUTIONS) },
      seed: { type: 'string', default: '1' },
      target: { type: 'string', multiple: true, default: [] as string[] },
      only: { type: 'string' },
      replay: { type: 'string' },
      out: { type: 'string', default: '.bench/fuzz' },
    },
  });
  const { out } = values;
  const executions = wholeNumber('executions', values.executions);
  if (values.replay !== undefined) {
    const { seed, target, number } = await readFinding(values.replay);
    return { seed, targets: pick([target], known), executions, only: number, out };
  }
  const names = values.target.flatMap((text) => text.split(','));
  return {
    seed: wholeNumber('seed', values.seed),
    targets: names.length === 0 ? known : pick(names, known),
    executions,
    only: values.only === undefined ? undefined : wholeNumber('only', values.only),
    out,
  };
}

function pick(names: readonly string[], known: readonly Target[]): readonly Target[] {
  return names.map((name) => {
    const target = known.find((one) => one.name === name);
    if (target !== undefined) return target;
    throw new Error(`--target ${name}: there are ${known.map((one) => one.name).join(', ')}`);
  });
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} ${text}: not a number`);
}
