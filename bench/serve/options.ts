import { parseArgs } from 'node:util';

/** How much of everything a run takes. */
export interface Scale {
  readonly rounds: number;
  /** Of one load in one round. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly connections: number;
  /** The many that are kept alive. */
  readonly manyConnections: number;
  readonly largeBytes: number;
  /** Different small blobs that are asked for at random. */
  readonly manyBlobs: number;
}

const FULL: Scale = {
  rounds: 3,
  seconds: 5,
  warmupSeconds: 2,
  connections: 50,
  manyConnections: 2000,
  largeBytes: 100_000_000,
  manyBlobs: 10_000,
};

/** Shows that everything runs; its figures mean nothing. */
const QUICK: Scale = {
  rounds: 1,
  seconds: 1,
  warmupSeconds: 0,
  connections: 5,
  manyConnections: 100,
  largeBytes: 1_000_000,
  manyBlobs: 50,
};

export interface ServeBenchOptions {
  readonly scale: Scale;
  readonly quick: boolean;
  readonly json: boolean;
  /** Servers on one half of the cores, the generator of the load on the other. */
  readonly pin: boolean;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
}

/** Options of `npm run bench -- serve`; throws on any other. */
export function parseServeOptions(args: readonly string[]): ServeBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      pin: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
    },
  });
  const base = values.quick ? QUICK : FULL;
  const scale = {
    ...base,
    rounds: positive('--rounds', values.rounds) ?? base.rounds,
    seconds: positive('--seconds', values.seconds) ?? base.seconds,
  };
  return { scale, quick: values.quick, json: values.json, pin: values.pin, only: values.only };
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]*$/.test(text)) throw new Error(`${name} ${text} is not a number from 1`);
  return Number(text);
}
