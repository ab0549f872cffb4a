/** Bytes that look random, the same for the same seed (xorshift). */
export function noise(length: number, seed: number, values = 256): Uint8Array {
  let x = (seed * 0x9e3779b1) | 1;
  return Uint8Array.from({ length }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 8) % values;
  });
}

export function period(length: number, of: number): Uint8Array {
  const one = noise(of, of);
  return Uint8Array.from({ length }, (_, k) => one[k % of] ?? 0);
}

/** The Fibonacci string: no period, yet few different substrings. */
export function fibonacci(length: number): Uint8Array {
  let [a, b] = ['a', 'ab'];
  while (b.length < length) [a, b] = [b, b + a];
  return new TextEncoder().encode(b.slice(0, length));
}

/** A binary de Bruijn sequence of words of 16 bits (a shift register of full length): each occurs once. */
export function deBruijn(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    const bit = (state ^ (state >>> 2) ^ (state >>> 3) ^ (state >>> 5)) & 1;
    state = (state >>> 1) | (bit << 15);
    return state & 1;
  });
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The pieces of `bytes` bytes in another order. */
export function shuffle(input: Uint8Array, bytes: number, seed: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < input.length; at += bytes) pieces.push(input.subarray(at, at + bytes));
  const keys = noise(4 * pieces.length, seed);
  const keyed = pieces.map((piece, k) => ({
    piece,
    key: new DataView(keys.buffer).getUint32(4 * k),
  }));
  const sorted = keyed.sort((a, b) => a.key - b.key).map(({ piece }) => piece);
  return new Uint8Array(Buffer.concat(sorted));
}

/** One byte of `every`, below 256, has another value. */
export function sprinkle(input: Uint8Array, every: number, seed: number): Uint8Array {
  const dice = noise(input.length, seed);
  return input.map((byte, k) => ((dice[k] ?? 0) % every === 0 ? byte ^ 0x55 : byte));
}
