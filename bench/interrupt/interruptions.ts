import type { Random } from '../fuzz/random.ts';
import type { LinkFault } from './link/device-link.ts';

/** What can strike while a device updates. */
export const KINDS = [
  'kill',
  'power cut',
  'connection cut',
  'stall',
  'captive portal',
  'stripped Range',
  'cache killed',
  'origin killed',
] as const;
export type Kind = (typeof KINDS)[number];

/** How often each is drawn, in 100. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  kill: 36,
  'power cut': 27,
  'connection cut': 20,
  stall: 1,
  'captive portal': 5,
  'stripped Range': 5,
  'cache killed': 4,
  'origin killed': 2,
};
const MOST_PER_RUN = 5;

/** What an undisturbed update takes, or what is left of it. */
export interface LegCost {
  /** Bytes of blobs. */
  readonly bytes: number;
  readonly ms: number;
  /** Steps on the disk. */
  readonly steps: number;
}

/** When something strikes. */
export type Moment =
  | { readonly kind: 'byte'; readonly at: number }
  | { readonly kind: 'line'; readonly at: number }
  | { readonly kind: 'ms'; readonly at: number };

export type Interruption =
  | { readonly kind: 'kill'; readonly when: Moment }
  | {
      readonly kind: 'cache killed' | 'origin killed';
      readonly when: Moment;
      readonly pauseMs: number;
    }
  | { readonly kind: 'power cut'; readonly step: number; readonly seed: string }
  | {
      readonly kind: 'connection cut' | 'stall' | 'captive portal' | 'stripped Range';
      readonly fault: LinkFault;
    };

type Faulty = Extract<Interruption, { readonly fault: LinkFault }>;

export function isFaulty(interruption: Interruption): interruption is Faulty {
  return 'fault' in interruption;
}

/** Whether the device's process is gone after it. */
export function endsRun({ kind }: Interruption): boolean {
  return kind === 'kill' || kind === 'power cut';
}

/**
 * Draws what happens in the next run of a device, of which `left` is to be done: a few things that it
 * has to live through, or one that ends it, or both in that order.
 */
export function drawRun(random: Random, left: LegCost): readonly Interruption[] {
  const drawn: Interruption[] = [];
  for (let n = 0; n < MOST_PER_RUN; n += 1) {
    const next = drawInterruption(random, left);
    // One portal or proxy stands before a device at a time.
    if (changesAll(next) && drawn.some(changesAll)) continue;
    drawn.push(next);
    if (endsRun(next) || random.below(4) === 0) break;
  }
  return drawn;
}

function changesAll({ kind }: Interruption): boolean {
  return kind === 'captive portal' || kind === 'stripped Range';
}

function drawInterruption(random: Random, left: LegCost): Interruption {
  const kind = drawKind(random);
  switch (kind) {
    case 'kill':
      return { kind, when: drawMoment(random, left) };
    case 'cache killed':
    case 'origin killed':
      return { kind, when: drawMoment(random, left), pauseMs: random.below(800) };
    case 'power cut':
      return { kind, step: 1 + early(random, left.steps), seed: String(random.next()) };
    case 'connection cut':
      return { kind, fault: { kind: 'cut', at: early(random, left.bytes) } };
    case 'stall':
      return { kind, fault: { kind: 'stall', at: early(random, left.bytes) } };
    case 'captive portal':
      return { kind, fault: { kind: random.pick(['portal', 'portal-blobs', 'portal-blobs']) } };
    case 'stripped Range':
      return { kind, fault: { kind: 'strip-range' } };
  }
}

function drawKind(random: Random): Kind {
  let left = random.below(100);
  for (const kind of KINDS) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  throw new Error('the weights of interruptions do not add up to 100');
}

/** Half while bytes come, the others anywhere: at the start, while applying, at the switch. */
function drawMoment(random: Random, left: LegCost): Moment {
  switch (left.bytes === 0 ? random.below(2) : random.below(4)) {
    case 0:
      return { kind: 'ms', at: early(random, left.ms) };
    case 1:
      return { kind: 'line', at: 1 + random.below(6) };
    default:
      return { kind: 'byte', at: early(random, left.bytes) };
  }
}

/** A number below `end`, the smaller the likelier: an update that is struck late is not struck again. */
function early(random: Random, end: number): number {
  return random.below(Math.ceil(end / random.pick([1, 2, 4, 8])));
}
