// A call frame program as it is coded byte by byte: which operation a byte belongs to, and the last
// operations. Only as exact as contexts need: an operand in LEB128 counts as one byte.
// Source: DWARF 5, 6.4.2 and 7.24.

/** The high two bits of an operation that has its operand in the low six. */
const ADVANCE: u32 = 0x40;
const OFFSET: u32 = 0x80;

const ADVANCE_1: u32 = 2;
const ADVANCE_2: u32 = 3;
const ADVANCE_4: u32 = 4;

const enum Operation {
  DEFINE_FRAME = 0x0c,
  DEFINE_FRAME_REGISTER = 0x0d,
  DEFINE_FRAME_OFFSET = 0x0e,
  ARGUMENTS_BYTES = 0x2e,
}

/** States: before the first byte, after an operation of one byte, within operands. */
const FIRST: u32 = 20;
const AFTER: u32 = 24;
const WITHIN: u32 = 96;

let state: u32 = FIRST;
let operandBytes: u32 = 0;
/** The last four operations but advances, 8 bits each, the latest lowest. */
export let operations: u32 = 0;
/** The last byte of the last frame offset. */
export let frameOffset: u32 = 0;
/** Of all operations except advances. */
export let programHash: u32 = 0;
/** Advances so far. */
export let advances: u32 = 0;

export function beginProgram(): void {
  state = FIRST;
  operandBytes = 0;
  operations = frameOffset = programHash = advances = 0;
}

/** What the next byte is: below 192. */
@inline
export function programState(): u32 {
  return operandBytes > 0 ? WITHIN + state : state;
}

/** Learns the next byte. */
export function noteProgramByte(byte: u32): void {
  if (operandBytes > 0) {
    operandBytes--;
    const isFrame =
      state === AFTER + Operation.DEFINE_FRAME_OFFSET || state === AFTER + Operation.DEFINE_FRAME;
    if (operandBytes === 0 && isFrame) frameOffset = byte;
    return;
  }
  const high = byte & 0xc0;
  if (isAdvance(byte, high)) {
    advances++;
  } else {
    operations = (operations << 8) | byte;
    programHash = programHash * 0x2f0b4c47 + byte + 1;
  }
  state = high === 0 ? AFTER + byte : FIRST + (high >>> 6);
  operandBytes = high === OFFSET ? 1 : high === 0 ? operandsOf(byte) : 0;
}

@inline
function isAdvance(byte: u32, high: u32): bool {
  return high === ADVANCE || (byte >= ADVANCE_1 && byte <= ADVANCE_4);
}

function operandsOf(operation: u32): u32 {
  switch (operation) {
    case ADVANCE_1:
    case Operation.DEFINE_FRAME_REGISTER:
    case Operation.DEFINE_FRAME_OFFSET:
    case Operation.ARGUMENTS_BYTES:
      return 1;
    case ADVANCE_2:
    case Operation.DEFINE_FRAME:
      return 2;
    case ADVANCE_4:
      return 4;
    default:
      return 0;
  }
}
