// Probabilities as logarithms of odds, in 1/256 (CODING.md, "Probabilities").

export const SQUASH_LIMIT = 3400;

const DECAY = 2139111403n;

/** Probability of a 1 in 20 bits for each value from -SQUASH_LIMIT. */
const squashed = makeSquashed();

/** 4 * the logarithm for each probability in 12 bits. */
const stretched = makeStretched();

function makeSquashed(): Int32Array {
  const table = new Int32Array(2 * SQUASH_LIMIT + 1);
  let power = 1n << 31n;
  for (let x = 0; x <= SQUASH_LIMIT; x++) {
    const p = Number((1n << 51n) / ((1n << 31n) + power));
    table[SQUASH_LIMIT + x] = Math.min(p, 1048576 - 8);
    table[SQUASH_LIMIT - x] = Math.max(1048576 - p, 8);
    power = (power * DECAY) >> 31n;
  }
  return table;
}

function makeStretched(): Int16Array {
  const table = new Int16Array(4096);
  let x = -2400;
  for (let i = 0; i < 4096; i++) {
    while (x < 2400 && squash(x + 1) <= i * 256 + 128) x++;
    table[i] = 4 * x;
  }
  return table;
}

/** Probability of a 1 in 20 bits, 8 to 2^20 - 8. */
export function squash(x: number): number {
  const inside = Math.max(-SQUASH_LIMIT, Math.min(SQUASH_LIMIT, x));
  return squashed[inside + SQUASH_LIMIT] ?? 0;
}

/** 4 * the logarithm of the odds of a probability in 16 bits. */
export function stretch(p: number): number {
  return stretched[p >>> 4] ?? 0;
}
