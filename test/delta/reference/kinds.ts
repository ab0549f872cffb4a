// References: what a field holds, and where it leads (CODING.md, "References").

export const Kind = {
  x64Relative: 1,
  address64: 2,
  address32: 3,
  fromPlace: 4,
  fromBase: 5,
  a64Branch26: 6,
  a64Branch19: 7,
  a64Branch14: 8,
  a64Page: 9,
  a64Low12: 10,
  thumbBranch: 11,
  armBranch: 12,
  fromTable: 13,
  armLiteral: 14,
  file32: 15,
  symbol: 16,
  armPlt: 17,
  step32: 18,
  step64: 19,
  armUnwind: 20,
  jumpTable: 21,
  rvJump: 22,
  rvBranch: 23,
  rvPair: 24,
  rvHigh: 25,
  rvLow: 26,
} as const;

export type Kind = (typeof Kind)[keyof typeof Kind];

export interface Ref {
  /** Of the field, among the old bytes. */
  readonly offset: number;
  readonly kind: Kind;
  readonly aux: number;
  /** Addresses of the address space, or offsets of old bytes. */
  readonly target: number;
  readonly base: number;
}

const WIDE: readonly Kind[] = [Kind.address64, Kind.step64, Kind.rvPair];

export function fieldBytes(kind: Kind): number {
  if (kind === Kind.armPlt) return 12;
  return WIDE.includes(kind) ? 8 : 4;
}

/** Target and base are offsets of old bytes. */
export function isOffsetKind(kind: Kind): boolean {
  return kind === Kind.file32 || kind === Kind.symbol;
}

export function isStep(kind: Kind): boolean {
  return kind === Kind.step32 || kind === Kind.step64;
}

const WITH_BASE: readonly Kind[] = [
  Kind.fromBase,
  Kind.fromTable,
  Kind.jumpTable,
  Kind.armLiteral,
  Kind.file32,
  Kind.symbol,
  Kind.rvLow,
];

export function hasBase(kind: Kind): boolean {
  return WITH_BASE.includes(kind);
}
