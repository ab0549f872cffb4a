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
  kill: 38,
  'power cut': 28,
  'connection cut': 14,
  stall: 2,
  'captive portal': 6,
  'stripped Range': 6,
  'cache killed': 4,
  'origin killed': 2,
};

/** What an undisturbed update takes. */
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

/** Draws what happens in the next run of a device. */
export function drawInterruption(random: Random, cost: LegCost): Interruption {
  const kind = drawKind(random);
  switch (kind) {
    case 'kill':
      return { kind, when: drawMoment(random, cost) };
    case 'cache killed':
    case 'origin killed':
      return { kind, when: drawMoment(random, cost), pauseMs: random.below(800) };
    case 'power cut':
      return { kind, step: 1 + random.below(cost.steps), seed: String(random.next()) };
    case 'connection cut':
      return { kind, fault: { kind: 'cut', at: random.below(cost.bytes) } };
    case 'stall':
      return { kind, fault: { kind: 'stall', at: random.below(cost.bytes) } };
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
function drawMoment(random: Random, cost: LegCost): Moment {
  switch (random.below(4)) {
    case 0:
      return { kind: 'ms', at: random.below(cost.ms) };
    case 1:
      return { kind: 'line', at: 1 + random.below(6) };
    default:
      return { kind: 'byte', at: random.below(cost.bytes) };
  }
}
