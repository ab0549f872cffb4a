// Probabilities in the logistic domain, by integers only. Stretched values are in 1/256 nat.

/** Largest stretched value that is squashed exactly as it is. */
export const STRETCH_MAX: i32 = 3400;

/** e^(-1/256) in 31 fractional bits. */
const DECAY: u64 = 2139111403;

/** i32 for each stretched value from -STRETCH_MAX on. */
const squashTable: usize = memory.data(27208, 16);
/** i16[4096]: 4 * stretch of a 12-bit probability. */
export const stretchTable: usize = memory.data(8192, 16);

/** Fills the tables; call it once in a session, before any coding. */
export function openSquash(): void {
  let power: u64 = <u64>1 << 31;
  for (let x: i32 = 0; x <= STRETCH_MAX; x++) {
    const p = <i32>((<u64>1 << 51) / ((<u64>1 << 31) + power));
    setSquash(x, min(p, 1048576 - 8));
    setSquash(-x, max(1048576 - p, 8));
    power = (power * DECAY) >> 31;
  }
  fillStretch();
}

/** For each 12-bit probability the largest value whose squash does not exceed its middle. */
function fillStretch(): void {
  let x: i32 = -2400;
  for (let i: i32 = 0; i < 4096; i++) {
    const middle = i * 256 + 128;
    while (x < 2400 && squash(x + 1) <= middle) x++;
    store<i16>(stretchTable + (<usize>i << 1), <i16>(x * 4));
  }
}

@inline
function setSquash(x: i32, p: i32): void {
  store<i32>(squashTable + (<usize>(x + STRETCH_MAX) << 2), p);
}

/** Probability of a 1 in 20 bits, 8 to 2^20 - 8. `x` is clamped to +-{@link STRETCH_MAX}. */
@inline
export function squash(x: i32): i32 {
  return load<i32>(squashTable + (<usize>(max(-STRETCH_MAX, min(STRETCH_MAX, x)) + STRETCH_MAX) << 2));
}
