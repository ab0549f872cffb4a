// The two inputs of a match: bytes in memory, each below 2^30, so that places and shifts are i32.

export let old: usize = 0;
export let oldLength: i32 = 0;
export let fresh: usize = 0;
export let freshLength: i32 = 0;
/** The executable range of the new bytes. */
let codeFrom: i32 = 0;
let codeTo: i32 = 0;

export function openInputs(
  oldAt: usize,
  oldBytes: u32,
  freshAt: usize,
  freshBytes: u32,
  from: u32,
  to: u32,
): void {
  old = oldAt;
  oldLength = <i32>oldBytes;
  fresh = freshAt;
  freshLength = <i32>freshBytes;
  codeFrom = <i32>from;
  codeTo = <i32>to;
}

/** True if the new byte is executable. */
export function isCodeAt(place: i32): bool {
  return place >= codeFrom && place < codeTo;
}

/** True if the old input has such a byte. */
@inline
export function isOld(place: i32): bool {
  return <u32>place < <u32>oldLength;
}
