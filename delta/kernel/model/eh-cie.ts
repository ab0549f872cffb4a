// What a common information entry (CIE) says of the records that name it. Only records whose first
// address is 32 bits relative to its place are coded record by record, and of those only the layouts
// that compilers write: every number of the head in one byte.
// Source: Linux Standard Base 5.0, "Exception Frames"; DWARF 5, 6.4.1.

/** DW_EH_PE_pcrel with sdata4, and with sdata8. */
const PC_RELATIVE_4: u32 = 0x1b;
const PC_RELATIVE_8: u32 = 0x1c;
const OMITTED: u32 = 0xff;

const LETTERS: u32 = 9;
const MIN_BYTES: u32 = 16;
const MAX_LETTERS: u32 = 7;

const enum Letter {
  /** Memory tags, return address keys, signal frames: no data. */
  TAGGED = 0x47,
  KEY = 0x42,
  SIGNAL = 0x53,
  LSDA = 0x4c,
  PERSONALITY = 0x50,
  RECORD = 0x52,
  AUGMENTED = 0x7a,
}

/** Code alignment factor, 1 to 127, of {@link cieFacts}. */
@inline
export function factorOf(facts: u32): u32 {
  return facts & 255;
}

/** Bytes of the address of language-specific data: 0, 4 or 8. */
@inline
export function lsdaBytesOf(facts: u32): u32 {
  return facts >>> 8;
}

/**
 * The facts of the CIE of `bytes` bytes at `cie`, 0 when it is none or has another layout. `wordBytes`
 * is the size of an address.
 */
export function cieFacts(cie: usize, bytes: u32, wordBytes: u32): u32 {
  if (bytes < MIN_BYTES || load<u32>(cie, 4) !== 0) return 0;
  const version = load<u8>(cie, 8);
  if (version !== 1 && version !== 3) return 0;
  const end = cie + bytes;
  const letters = cie + LETTERS;
  if (load<u8>(letters) !== Letter.AUGMENTED) return 0;
  let count: u32 = 1;
  while (count <= MAX_LETTERS && load<u8>(letters + count) !== 0) {
    count++;
    if (letters + count >= end) return 0;
  }
  if (count > MAX_LETTERS) return 0;
  // Code and data alignment, return address register, length of the augmentation's data.
  let data = letters + count + 1;
  if (data + 4 > end || (load<u32>(data) & 0x80808080) !== 0) return 0;
  const factor = <u32>load<u8>(data);
  if (factor === 0) return 0;
  data += 4;
  let lsdaBytes: u32 = 0;
  let isRelative = false;
  for (let i: u32 = 1; i < count; i++) {
    const letter = <u32>load<u8>(letters + i);
    if (letter === Letter.SIGNAL || letter === Letter.KEY || letter === Letter.TAGGED) continue;
    if (data >= end) return 0;
    const encoding = <u32>load<u8>(data++);
    if (letter === Letter.RECORD) {
      if (encoding !== PC_RELATIVE_4) return 0;
      isRelative = true;
    } else if (letter === Letter.LSDA) {
      lsdaBytes = encoding === PC_RELATIVE_4 ? 4 : encoding === PC_RELATIVE_8 ? 8 : 0;
      if (lsdaBytes === 0) return 0;
    } else if (letter === Letter.PERSONALITY) {
      const size = pointerBytes(encoding, wordBytes);
      if (size === NO_SIZE) return 0;
      data += size;
    } else {
      return 0;
    }
  }
  return isRelative && data <= end ? factor | (lsdaBytes << 8) : 0;
}

const NO_SIZE: u32 = 16;

function pointerBytes(encoding: u32, wordBytes: u32): u32 {
  if (encoding === OMITTED) return 0;
  const format = encoding & 7;
  if (format === 0) return wordBytes;
  return format === 2 ? 2 : format === 3 ? 4 : format === 4 ? 8 : NO_SIZE;
}
