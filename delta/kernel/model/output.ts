// The new bytes of the section being coded. Building, they are all in memory; applying, the last 64 KiB
// and what is being made. Models must look no farther back than HISTORY and not before the section.

/** Address of new byte 0, wrapping: the byte at `n` is at freshBase + n. */
export let freshBase: usize = 0;
/** First new byte of the section. */
export let sectionStart: u32 = 0;
/** The last 8 bytes made, the latest lowest; zeros before the section. */
export let recent: u64 = 0;

export const HISTORY: u32 = 65536;

export function openOutput(base: usize, start: u32): void {
  freshBase = base;
  sectionStart = start;
  recent = 0;
}

/** The bytes have moved in memory. */
export function moveOutput(base: usize): void {
  freshBase = base;
}

/** The byte at `n` is `byte`. Bytes are made in ascending order. */
@inline
export function putByte(n: u32, byte: u32): void {
  store<u8>(freshBase + <usize>n, <u8>byte);
  recent = (recent << 8) | <u64>(byte & 255);
}

/** `length` bytes at `from` (at least 8 readable before its end) follow. */
export function putBytes(n: u32, from: usize, length: u32): void {
  memory.copy(freshBase + <usize>n, from, length);
  for (let i = length > 8 ? length - 8 : 0; i < length; i++) {
    recent = (recent << 8) | <u64>load<u8>(from + <usize>i);
  }
}

/** The byte `back` before the next one, 1 to 8. */
@inline
export function before(back: u32): u32 {
  return <u32>(recent >> <u64>((back - 1) * 8)) & 255;
}
