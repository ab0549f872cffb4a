/** Numbers from 0 to below 1, the same for a seed every time (xorshift32, Marsaglia 2003). */
export function randomOf(seed: number): () => number {
  let state = (seed * 2_654_435_769) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
