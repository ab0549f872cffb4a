// LZMA's models: the probabilities that coder and decoder keep alike, and the state that chooses among
// them (LZMA specification, "LZMA decoding"). lp and pb are 0: the streams of bsdiff have no alignment.

/** Bits of the byte before that choose a literal's models. */
export const LC: u32 = 4;
const STATES: u32 = 12;
const LITERAL_MODELS: u32 = 0x300 << LC;
/** Positions of the parts, in models. */
const IS_MATCH: u32 = 0;
const IS_REP: u32 = IS_MATCH + STATES;
const IS_REP_0: u32 = IS_REP + STATES;
const IS_REP_1: u32 = IS_REP_0 + STATES;
const IS_REP_2: u32 = IS_REP_1 + STATES;
const IS_LONG: u32 = IS_REP_2 + STATES;
const SLOTS: u32 = IS_LONG + STATES;
const SPECIAL: u32 = SLOTS + 4 * 64;
const ALIGN: u32 = SPECIAL + 128;
const MATCH_LENGTHS: u32 = ALIGN + 16;
const LENGTH_MODELS: u32 = 2 + 8 + 8 + 256;
const REP_LENGTHS: u32 = MATCH_LENGTHS + LENGTH_MODELS;
const LITERALS: u32 = REP_LENGTHS + LENGTH_MODELS;
const MODELS: u32 = LITERALS + LITERAL_MODELS;

const models: usize = memory.data((108 + 256 + 128 + 16 + 2 * 274 + 0x3000) * 2, 16);

export const slotModels: usize = models + (<usize>SLOTS << 1);
export const specialModels: usize = models + (<usize>SPECIAL << 1);
export const alignModels: usize = models + (<usize>ALIGN << 1);
export const matchLengths: usize = models + (<usize>MATCH_LENGTHS << 1);
export const repLengths: usize = models + (<usize>REP_LENGTHS << 1);

/** Every bit is as likely as not. */
export function resetModels(): void {
  for (let i: u32 = 0; i < MODELS; i++) store<u16>(models + (<usize>i << 1), 1024);
}

@inline
export function isMatch(state: u32): usize {
  return models + (<usize>(IS_MATCH + state) << 1);
}

@inline
export function isRep(state: u32): usize {
  return models + (<usize>(IS_REP + state) << 1);
}

@inline
export function isRep0(state: u32): usize {
  return models + (<usize>(IS_REP_0 + state) << 1);
}

@inline
export function isRep1(state: u32): usize {
  return models + (<usize>(IS_REP_1 + state) << 1);
}

@inline
export function isRep2(state: u32): usize {
  return models + (<usize>(IS_REP_2 + state) << 1);
}

@inline
export function isLong(state: u32): usize {
  return models + (<usize>(IS_LONG + state) << 1);
}

/** The models of a literal after the byte `before`. */
@inline
export function literalModels(before: u32): usize {
  return models + (<usize>(LITERALS + (before >> (8 - LC)) * 0x300) << 1);
}

/** From this state on the last symbol was no literal. */
export const AFTER_MATCH: u32 = 7;

@inline
export function afterLiteral(state: u32): u32 {
  return state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
}

@inline
export function afterMatch(state: u32): u32 {
  return state < AFTER_MATCH ? 7 : 10;
}

@inline
export function afterRep(state: u32): u32 {
  return state < AFTER_MATCH ? 8 : 11;
}

@inline
export function afterShortRep(state: u32): u32 {
  return state < AFTER_MATCH ? 9 : 11;
}
