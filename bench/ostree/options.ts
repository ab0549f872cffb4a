import { parseArgs } from 'node:util';

import { CURRENT_OSTREE } from './ostree-tool.ts';

export const CASE_NAMES = ['debian', 'node'] as const;
export type CaseName = (typeof CASE_NAMES)[number];

/** What `npm run bench -- ostree` takes. */
export interface OstreeBenchOptions {
  readonly help: boolean;
  /** A few small packages: it shows that everything runs. */
  readonly quick: boolean;
  readonly only: readonly CaseName[];
  /** Of generating and of pulling. */
  readonly rounds: number;
  /** Print the JSON instead of the Markdown. */
  readonly json: boolean;
}

export const HELP = `npm run bench -- ostree: static deltas of ours and of stock ostree, and whole pulls by stock clients.

  --only NAME,...  of ${CASE_NAMES.join(', ')}
  --rounds N       medians of so many (default 3)
  --quick          a few small packages, one round: its figures mean nothing
  --json           print the JSON instead of the Markdown
  --help

Needs ostree, nginx, dpkg-deb, apt and npm. ${CURRENT_OSTREE}=PATH adds a newer ostree as a client.
Packages are kept in .bench/corpus; results are written to .bench/ostree.md and .json.
`;

/** Lists may be given at once, with commas, or one by one. Throws on any other option. */
export function parseOstreeOptions(args: readonly string[]): OstreeBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
    },
  });
  const { help, quick, json } = values;
  const names = values.only.flatMap((text) => text.split(',')).filter((text) => text !== '');
  const fallback = quick ? 1 : 3;
  const rounds = values.rounds === undefined ? fallback : parseRounds(values.rounds);
  const only = names.length > 0 ? names.map(parseCase) : quick ? ['debian' as const] : CASE_NAMES;
  return { help, quick, json, only, rounds };
}

function parseCase(text: string): CaseName {
  const found = CASE_NAMES.find((name) => name === text);
  if (found === undefined) throw new Error(`no case ${text}: there are ${CASE_NAMES.join(', ')}`);
  return found;
}

function parseRounds(text: string): number {
  if (!/^[1-9][0-9]?$/.test(text)) throw new Error(`--rounds ${text} is not a number from 1 to 99`);
  return Number(text);
}
