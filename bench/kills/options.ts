import { parseArgs } from 'node:util';

const KILLS = 2000;
const QUICK_KILLS = 10;

/** What `npm run bench -- kills` takes. */
export interface KillsOptions {
  readonly kills: number;
  readonly seed: number;
  /** When to end even so, with the look at the end. */
  readonly minutes: number | undefined;
  readonly quick: boolean;
}

/** Throws for what is not understood. */
export function parseKillsOptions(args: readonly string[]): KillsOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  return {
    kills: wholeNumber('kills', values.kills ?? String(values.quick ? QUICK_KILLS : KILLS)),
    seed: wholeNumber('seed', values.seed ?? String((Date.now() % 1_000_000) + 1)),
    minutes: values.minutes === undefined ? undefined : wholeNumber('minutes', values.minutes),
    quick: values.quick,
  };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${name} ${text}: not a number above 0`);
}
