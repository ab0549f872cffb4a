// Names of sections, compared where they lie: bytes that end with a zero.

/** True if the name at `at` is `name`. */
export function isNamed(at: usize, name: string): bool {
  return begins(at, name) && load<u8>(at + <usize>name.length) === 0;
}

/** True if the name at `at` begins with `prefix`. */
export function begins(at: usize, prefix: string): bool {
  for (let i = 0; i < prefix.length; i++) {
    if (<i32>load<u8>(at + <usize>i) !== prefix.charCodeAt(i)) return false;
  }
  return true;
}

/** True if the name at `at` has `part` in it. */
export function holds(at: usize, part: string): bool {
  for (let from = at; load<u8>(from) !== 0; from++) if (begins(from, part)) return true;
  return false;
}
