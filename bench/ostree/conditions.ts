import { createRequire } from 'node:module';
import { cpus } from 'node:os';

import type { Tool } from '../tools.ts';
import type { OstreeBenchOptions } from './options.ts';
import { CURRENT_OSTREE, type OstreeTool } from './ostree-tool.ts';
import type { CaseOutcome } from './results.ts';

/** What a reader has to know to judge the figures, one or two sentences a line. */
export function conditionsOf(
  { rounds, quick }: OstreeBenchOptions,
  { ostrees, nginx }: { readonly ostrees: readonly OstreeTool[]; readonly nginx: Tool },
  outcomes: readonly CaseOutcome[],
  [before, after]: readonly [number, number],
): string[] {
  const { version } = createRequire(import.meta.url)('../../../package.json') as {
    version: string;
  };
  const [installed, current] = ostrees.map((tool) => tool.version);
  return [
    ...(quick ? ['A quick run of a few small packages: its figures mean nothing.'] : []),
    `rivulet ${version}, ostree ${installed ?? ''} (generator and client), ${nginx.version.replace(/^nginx version: /, '')}.`,
    current === undefined
      ? `No newer client: ${CURRENT_OSTREE} names none.`
      : `Newer client: ostree ${current}.`,
    `Medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, the programs in turns. Load of the machine (1 minute, ${cpus().length} cores) was ${before.toFixed(1)} before and ${after.toFixed(1)} after.`,
    'Generators ran as processes of their own, start included. Ours makes the delta from the store of an origin, as its builders do; processor and wall time are those until the last part is stored. It then applies the delta and compares every object, which the stock command does not: what it took with that stands beside it.',
    'Pulls are whole, by unmodified clients in fresh bare-user repositories, counted between client and server on loopback: every byte that the server sent, heads included. After each, the ref names the new commit and `ostree fsck` checked every object.',
    'nginx serves a repository with the summary and the stock delta, the origin of ours one with its own delta; objects the same.',
    ...outcomes.flatMap((outcome) => {
      if (outcome.state === 'done') {
        const { name, gone } = outcome;
        return gone.length === 0
          ? []
          : [`${name}: not to be had any more and in neither tree: ${gone.join(', ')}.`];
      }
      const word = outcome.state === 'skipped' ? 'Left out' : 'Failed';
      return [`${word}: ${outcome.name} (${outcome.reason.replace(/\s+/g, ' ').slice(0, 300)}).`];
    }),
  ];
}
