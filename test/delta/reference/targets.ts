// The new target of a reference, from three candidates (CODING.md, "Targets").

import type { BlockMap } from './block-map.ts';
import { clamp, product, u32 } from './word.ts';

/** Set in keys that are old offsets rather than addresses. */
export const OFFSET_KEY = 0x80000000;

export interface Prediction {
  readonly target: number;
  /** The best candidate that differs, else the target. */
  readonly second: number;
  readonly confidence: number;
  /** How often such predictions were wrong lately, in 1/65536. */
  readonly missRate: number;
}

interface Candidate {
  readonly target: number;
  readonly state: number;
}

interface Seen {
  readonly key: number;
  target: number;
  /** How often it held since it last changed. */
  agreement: number;
}

/** What a stretch of 512 bytes of keys moved by. */
interface Shift {
  readonly stretch: number;
  readonly distance: number;
  readonly score: number;
}

export class Targets {
  readonly #map: BlockMap;
  /** 4096 sets of up to 4, the oldest goes. */
  readonly #seen = new Map<number, Seen[]>();
  readonly #turns = new Map<number, number>();
  readonly #shifts = new Map<number, Shift>();
  readonly #accuracy = Uint16Array.from({ length: 256 }, (_, state) => firstAccuracy(state));

  constructor(map: BlockMap) {
    this.#map = map;
  }

  predict(key: number): Prediction {
    const { candidates } = this.#gather(key);
    const [best, second] = this.#bestTwo(candidates);
    const miss = 65535 - this.#accuracyOf(best);
    const source = Math.min(best.state >> 6, 2);
    return {
      target: best.target,
      second: second?.target ?? best.target,
      confidence: 1 + missClass(miss) + 8 * source + (second ? 24 : 0),
      missRate: miss,
    };
  }

  learn(key: number, actual: number): void {
    const { candidates, mapped } = this.#gather(key);
    for (const { target, state } of candidates) {
      const known = this.#accuracy[state] ?? 0;
      const isRight = target === actual;
      this.#accuracy[state] = isRight ? known + ((65535 - known) >> 5) : known - (known >> 5);
    }
    this.#learnSeen(key, actual);
    this.#learnShift(key, actual, mapped);
  }

  /** Candidates with their states, and what the map says. */
  #gather(key: number): { candidates: Candidate[]; mapped: number } {
    const own = key & 0x7fffffff;
    const isOffset = key >= OFFSET_KEY;
    const place = isOffset ? { address: this.#map.offset(own), trust: 0 } : this.#map.address(own);
    const mapped = place.address;
    const { trust } = place;
    const seen = this.#findSeen(key);
    const shift = this.#findShift(key);
    const hasMoved = shift !== undefined && shift.score > 0;
    const moved = hasMoved ? u32(own + shift.distance) : undefined;
    const candidates: Candidate[] = [];
    if (seen) {
      const isMapped = seen.target === mapped ? 1 : 0;
      const agrees = moved === undefined ? 0 : seen.target === moved ? 2 : 1;
      candidates.push({
        target: seen.target,
        state: seen.agreement + 8 * isMapped + 16 * agrees,
      });
    }
    if (hasMoved && moved !== undefined) {
      const isMapped = moved === mapped ? 1 : 0;
      const state = 64 + (shift.score - 1) + 4 * isMapped + 8 * Math.min(trust >> 1, 3);
      candidates.push({ target: moved, state: state + (seen ? 32 : 0) });
    }
    const agrees = moved === undefined ? 0 : moved === mapped ? 2 : 1;
    candidates.push({ target: mapped, state: 128 + trust + 16 * agrees + (seen ? 64 : 0) });
    return { candidates, mapped };
  }

  #accuracyOf(candidate: Candidate): number {
    return this.#accuracy[candidate.state] ?? 0;
  }

  /** The most accurate candidate and the most accurate other target; of equals the first. */
  #bestTwo(candidates: readonly Candidate[]): [Candidate, Candidate | undefined] {
    const order = candidates.toSorted((a, b) => this.#accuracyOf(b) - this.#accuracyOf(a));
    const [best] = order;
    if (!best) throw new Error('no candidate');
    return [best, order.find((other) => other.target !== best.target)];
  }

  #findSeen(key: number): Seen | undefined {
    return this.#seen.get(setOf(key))?.find((seen) => seen.key === key);
  }

  #learnSeen(key: number, target: number): void {
    const seen = this.#findSeen(key);
    if (seen) {
      seen.agreement = seen.target === target ? Math.min(seen.agreement + 1, 4) : 0;
      seen.target = target;
      return;
    }
    const set = setOf(key);
    const turn = this.#turns.get(set) ?? 0;
    this.#turns.set(set, (turn + 1) % 4);
    const ways = this.#seen.get(set) ?? [];
    ways[turn] = { key, target, agreement: 0 };
    this.#seen.set(set, ways);
  }

  /** Of the key's stretch, or the one before. */
  #findShift(key: number): Shift | undefined {
    const stretch = key >>> 9;
    const shifts = [stretch, stretch - 1].map((one) => {
      const shift = this.#shifts.get(shiftSlot(one));
      return shift?.stretch === one ? shift : undefined;
    });
    return shifts[0] ?? shifts[1];
  }

  #learnShift(key: number, target: number, mapped: number): void {
    const own = key & 0x7fffffff;
    const known = this.#findShift(key);
    const mapIsRight = target === mapped;
    const shiftIsRight = known !== undefined && target === u32(own + known.distance);
    let score = known?.score ?? 0;
    if (mapIsRight !== shiftIsRight) score = clamp(score + (shiftIsRight ? 1 : -1), -2, 4);
    else if (!shiftIsRight) score = Math.max(score - 1, 0);
    const distance = mapIsRight ? (known?.distance ?? 0) : u32(target - own);
    const stretch = key >>> 9;
    this.#shifts.set(shiftSlot(stretch), { stretch, distance, score });
  }
}

function setOf(key: number): number {
  return product(key, 0x9e3779b1) >>> 20;
}

function shiftSlot(stretch: number): number {
  return product(stretch, 0x9e3779b1) >>> 19;
}

function firstAccuracy(state: number): number {
  const source = state >> 6;
  if (source === 0) return state % 8 === 0 ? 58000 : 63000;
  if (source === 1) return 50000;
  return state % 16 <= 4 ? 60000 : 40000;
}

function missClass(miss: number): number {
  const limits = [250, 800, 2000, 5000, 12000, 24000, 40000];
  return limits.filter((limit) => miss > limit).length;
}
