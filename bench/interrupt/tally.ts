import { KINDS, type Kind } from './interruptions.ts';
import type { Carried } from './link/device-link.ts';

/** Bytes of blobs, added up. */
export interface Bytes {
  carried: number;
  twiceHeld: number;
  twiceCarried: number;
}

/** Something that must not happen, with what led to it. */
export interface Finding {
  readonly what: 'wrong release' | 'stuck';
  readonly device: number;
  readonly leg: string;
  readonly interruption: string;
  readonly detail: string;
  /** Where the device's folder was kept. */
  readonly folder: string;
}

/** What a run of the bench adds up. */
export class Tally {
  /** Interruptions that struck, by kind. */
  readonly cycles: Record<Kind, number>;
  /** Bytes of the runs that went on after an interruption of that kind or lived through it. */
  readonly after: Record<Kind | 'nothing', Bytes>;
  readonly disk = { unsyncedWrites: 0, lostWrites: 0, unsyncedNames: 0, lostNames: 0 };
  readonly findings: Finding[] = [];
  /** Ways from release to release that were gone to the end. */
  legs = 0;
  runs = 0;
  /** Bytes that as many undisturbed updates take. */
  undisturbedBytes = 0;

  constructor() {
    const zero = (): Bytes => ({ carried: 0, twiceHeld: 0, twiceCarried: 0 });
    this.cycles = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
    const after = [...KINDS, 'nothing'].map((kind) => [kind, zero()]);
    this.after = Object.fromEntries(after) as Record<Kind | 'nothing', Bytes>;
  }

  get total(): number {
    return KINDS.reduce((sum, kind) => sum + this.cycles[kind], 0);
  }

  /** Of all runs but those whose ranges were stripped: there a server sends all of a blob again. */
  get bytes(): Bytes {
    const sum = { carried: 0, twiceHeld: 0, twiceCarried: 0 };
    for (const [kind, one] of Object.entries(this.after)) {
      if (kind === 'stripped Range') continue;
      sum.carried += one.carried;
      sum.twiceHeld += one.twiceHeld;
      sum.twiceCarried += one.twiceCarried;
    }
    return sum;
  }

  add(under: Kind | 'nothing', { bytes, twiceHeld, twiceCarried }: Carried): void {
    const sum = this.after[under];
    sum.carried += bytes;
    sum.twiceHeld += twiceHeld;
    sum.twiceCarried += twiceCarried;
  }
}
