import { parseArgs } from 'node:util';

const CYCLES = 10_000;
const QUICK_CYCLES = 300;
const DEVICES = 6;

/** What `npm run bench -- interrupt` takes. */
export interface InterruptOptions {
  readonly cycles: number;
  readonly seed: number;
  /** Devices side by side. */
  readonly devices: number;
  readonly quick: boolean;
}

/** Throws for what is not understood. */
export function parseInterruptOptions(args: readonly string[]): InterruptOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cycles: { type: 'string' },
      seed: { type: 'string' },
      devices: { type: 'string', default: String(DEVICES) },
      quick: { type: 'boolean', default: false },
    },
  });
  const seed = values.seed ?? String(Date.now() % 1_000_000);
  return {
    cycles: wholeNumber('cycles', values.cycles ?? String(values.quick ? QUICK_CYCLES : CYCLES)),
    seed: wholeNumber('seed', seed),
    devices: wholeNumber('devices', values.devices),
    quick: values.quick,
  };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${name} ${text}: not a number above 0`);
}
