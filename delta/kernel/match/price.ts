// What the matcher believes things to cost, in eighths of a bit; measured on programs.

export const enum Price {
  /** A copied byte that differs. */
  DIFFERENCE = 72,
  /** It differs by as much as one of the last four did: a table whose entries all moved alike. */
  REPEATED = 24,
  /** Text for text, outside code. */
  TEXT = 48,
  /** A byte that is not copied. */
  LITERAL = 42,
  /** To stop copying. */
  LITERAL_START = 24,
  /** To copy with a new shift. */
  SWITCH = 288,
  /** To copy with a shift used lately, or with that of an earlier pass. */
  SWITCH_KNOWN = 160,
}

/** True if `difference` (1..255) is one of the four bytes of `recent`. */
@inline
export function isRepeated(recent: u32, difference: u32): bool {
  const v = recent ^ (difference * 0x01010101);
  return ((v - 0x01010101) & ~v & 0x80808080) !== 0;
}

/** Price of `actual` where `copied` was; `text` is that of text for text. */
@inline
export function differencePrice(actual: u32, copied: u32, text: i32): i32 {
  return actual - 32 < 95 && copied - 32 < 95 ? text : Price.DIFFERENCE;
}
