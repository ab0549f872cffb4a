import { parseArgs } from 'node:util';

export interface StoreBenchOptions {
  /** Versions of the application, of at most ten. */
  readonly versions: number;
  readonly quick: boolean;
  readonly json: boolean;
}

/** Options of `npm run bench -- store`; throws on any other. */
export function parseStoreOptions(args: readonly string[]): StoreBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  return { versions: values.quick ? 2 : 10, quick: values.quick, json: values.json };
}
