import { product } from './word.ts';

/** What a field of 32 bits leads to. */
export const Branch = { call: 0, jump: 1, data: 2 } as const;

export type Branch = (typeof Branch)[keyof typeof Branch];

/** Where calls, jumps and operands lately led (CODING.md, "Targets of x86-64 fields"). */
export class X64Branches {
  /** The last target with these low 16 bits, with these low 8, and after this target. */
  readonly #byHalf = new Map<number, number>();
  readonly #byByte = new Map<number, number>();
  readonly #byLast = new Map<number, number>();
  readonly #lasts = new Map<Branch, number>();

  learn(kind: Branch, target: number): void {
    this.#byHalf.set(slot(kind, target & 0xffff), target);
    this.#byByte.set((target & 255) * 4 + kind, target);
    this.#byLast.set(slot(kind, this.#lasts.get(kind) ?? 0), target);
    this.#lasts.set(kind, target);
  }

  /** A target that has the low `known` bytes of `low`; undefined if none is remembered. */
  guess(kind: Branch, low: number, known: number): number | undefined {
    const target = this.#candidate(kind, low, known);
    if (target === undefined || target === 0) return undefined;
    const mask = known < 2 ? 0 : known === 2 ? 0xffff : 0xffffff;
    return ((target ^ low) & mask) === 0 ? target : undefined;
  }

  #candidate(kind: Branch, low: number, known: number): number | undefined {
    if (known === 0) return this.#byLast.get(slot(kind, this.#lasts.get(kind) ?? 0));
    if (known === 1) return this.#byByte.get((low & 255) * 4 + kind);
    return this.#byHalf.get(slot(kind, low & 0xffff));
  }
}

/** One of 16384. */
function slot(kind: Branch, key: number): number {
  return product(key * 4 + kind, 0x9e3779b1) >>> 18;
}

/** The kind of the field that follows `byte`, the last one of its opcode or ModRM byte. */
export function branchAfter(byte: number): Branch {
  if (byte === 0xe8) return Branch.call;
  return byte === 0xe9 || (byte & 0xf0) === 0x80 ? Branch.jump : Branch.data;
}
