import { cpus } from 'node:os';

import type { ServeBenchOptions } from './options.ts';
import type { Peer, PeerName } from './peers/peer.ts';
import type { Pin } from './pin.ts';

const OPTIONAL: readonly PeerName[] = ['zot', 'distribution'];

/** What a reader has to know to judge the figures, one sentence or two a line. */
export function conditionsOf(
  { scale, quick }: ServeBenchOptions,
  peers: readonly Peer[],
  pin: Pin,
  hasWrk: boolean,
): string[] {
  const cores = cpus().length;
  const versions = peers.map(({ name, version }) => `${name} ${version}`);
  const absent = OPTIONAL.filter((name) => !peers.some((peer) => peer.name === name));
  return [
    ...(quick ? ['A quick run: it shows that everything runs, its figures mean nothing.'] : []),
    [...versions, ...absent.map((name) => `${name} is not installed`)].join('; '),
    `Medians of ${scale.rounds} round(s) of ${scale.seconds} s, the servers of a table in turns. "first / this" is the median over the rounds of the first row's requests/s by this row's in the same round.`,
    'One worker each where nothing else is said; the registries are Go programs and take every core, except where GOMAXPROCS=1 is said. nginx serves files with sendfile and kept open files.',
    `Server and generator share ${cores} cores, ${pin.words}; how many each kept busy stands beside the figures: with a whole core for each thread of the generator, it is the generator that is measured.`,
    ...(cores < 4
      ? [
          `${cores} cores can't hold two workers and the generator: what a second worker adds is bounded by what the generator leaves, for nginx too.`,
        ]
      : []),
    hasWrk
      ? 'autocannon runs on one core and is at its limit long before nginx: small blobs are loaded by wrk, and autocannon has a table of its own.'
      : 'wrk is not installed: small blobs are loaded by autocannon, which runs on one core and is at its limit long before nginx.',
    'Every connection asks again as soon as it is answered; latencies are those of servers under as much load as they take. RSS is summed over the processes of a server after the load.',
  ];
}
