import { parseArgs } from 'node:util';

import type { Profile } from '../../delta/build.ts';
import { parseAblations, type Ablation } from './ablation.ts';
import { PEER_NAMES } from './peers.ts';

/** What `npm run bench -- delta-size`, `delta-speed` and `apply` take. */
export interface EngineBenchOptions {
  /** Small pairs only, for every change's checks. */
  readonly quick: boolean;
  /** Pairs beside the public list, too. */
  readonly more: boolean;
  /** Names of pairs; empty: as the two before say. */
  readonly only: readonly string[];
  /** Of ours; empty: peers only. */
  readonly profiles: readonly Profile[];
  readonly peers: readonly string[];
  /** Ours proves each delta while it builds; else it does not, as the peers. */
  readonly proof: boolean;
  readonly ablations: readonly Ablation[];
  readonly rounds: number;
  /** Print the JSON instead of the Markdown. */
  readonly json: boolean;
}

/** Lists may be given at once, with commas, or one by one. Throws on any other option. */
export function parseEngineOptions(
  args: readonly string[],
  defaults: { readonly peers: readonly string[]; readonly rounds: number },
): EngineBenchOptions {
  const list = { type: 'string', multiple: true, default: [] as string[] } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      more: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      proof: { type: 'boolean', default: false },
      only: list,
      profile: list,
      peers: list,
      ablate: list,
      rounds: { type: 'string' },
    },
  });
  const profiles = split(values.profile)
    .filter((name) => name !== 'none')
    .map(parseProfile);
  const peers = split(values.peers).filter((name) => name !== 'none');
  const unknown = peers.find((name) => !PEER_NAMES.includes(name));
  if (unknown !== undefined) {
    throw new Error(`--peers ${unknown}: there are ${PEER_NAMES.join(', ')}, or none`);
  }
  return {
    ...{ quick: values.quick, more: values.more, json: values.json, proof: values.proof },
    only: split(values.only),
    profiles: values.profile.length === 0 ? ['small', 'fast'] : profiles,
    peers: values.peers.length === 0 ? defaults.peers : peers,
    ablations: parseAblations(split(values.ablate)),
    rounds: values.rounds === undefined ? defaults.rounds : parseRounds(values.rounds),
  };
}

function split(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(',')).filter((text) => text !== '');
}

function parseProfile(text: string): Profile {
  if (text !== 'small' && text !== 'fast')
    throw new Error(`--profile ${text}: small, fast, or none`);
  return text;
}

function parseRounds(text: string): number {
  if (!/^[1-9][0-9]?$/.test(text)) throw new Error(`--rounds ${text} is not a number from 1 to 99`);
  return Number(text);
}
