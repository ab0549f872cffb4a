import { parseArgs } from 'node:util';

/** How much of everything a run takes. */
export interface CacheScale {
  /** Of the loads on warm blobs. */
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  /** Clients that ask for one cold blob at once; a third of them leaves early. */
  readonly clients: number;
  readonly coldBytes: number;
  /** Clients that wait for a cold blob whose first byte is held back until all of them wait. */
  readonly waiters: number;
  readonly waitedBytes: number;
  readonly largeBytes: number;
}

const FULL: CacheScale = {
  rounds: 3,
  seconds: 5,
  connections: 50,
  clients: 60,
  coldBytes: 200_000_000,
  waiters: 1000,
  waitedBytes: 32_000_000,
  largeBytes: 100_000_000,
};

/** Shows that everything runs; its rates mean nothing. */
const QUICK: CacheScale = {
  rounds: 1,
  seconds: 1,
  connections: 5,
  clients: 24,
  coldBytes: 8_000_000,
  waiters: 50,
  waitedBytes: 4_000_000,
  largeBytes: 4_000_000,
};

export const CACHE_NAMES = ['rivulet', 'distribution', 'zot'] as const;
export type CacheName = (typeof CACHE_NAMES)[number];

export interface CacheBenchOptions {
  readonly scale: CacheScale;
  readonly quick: boolean;
  readonly json: boolean;
  /** The caches that are measured, of those that are installed. */
  readonly peers: readonly CacheName[];
  /** Tells which clients leave, and where. */
  readonly seed: number;
}

/** Options of `npm run bench -- cache`; throws on any other. */
export function parseCacheOptions(args: readonly string[]): CacheBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      peers: { type: 'string' },
    },
  });
  const base = values.quick ? QUICK : FULL;
  return {
    scale: {
      ...base,
      rounds: positive('--rounds', values.rounds) ?? base.rounds,
      seconds: positive('--seconds', values.seconds) ?? base.seconds,
    },
    quick: values.quick,
    json: values.json,
    peers: values.peers === undefined ? CACHE_NAMES : values.peers.split(',').map(cacheName),
    seed: positive('--seed', values.seed) ?? 1,
  };
}

function cacheName(text: string): CacheName {
  const name = CACHE_NAMES.find((known) => known === text);
  if (name === undefined) {
    throw new Error(`--peers: no cache ${text}: there are ${CACHE_NAMES.join(', ')}`);
  }
  return name;
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]*$/.test(text)) throw new Error(`${name} ${text} is not a number from 1`);
  return Number(text);
}
