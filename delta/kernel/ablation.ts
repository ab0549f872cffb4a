// Steps that can be left out, to measure what each is worth. Building and applying must leave out the same.

export const enum Step {
  /** Programs as programs: without it all files are bytes. */
  REFERENCES = 1,
  /** The two matches after the first. */
  REMATCH = 2,
  /** Blocks joined and dropped by what they cost. */
  JOIN = 4,
  /** .eh_frame by records. */
  EH_FRAME = 8,
  /** Symbol indexes, string and Go offsets, steps, PLT entries. */
  TABLE_FIELDS = 16,
  /** Short jumps and literal loads. */
  SHORTS = 32,
  /** Learned targets: without it the map decides. */
  LEARNING = 64,
  /** References predicted inside the old bytes beside literals. */
  OLD_FIELDS = 128,
  /** The literal model's reading of old code. */
  PRIMING = 256,
  /** All weight sets but the first, final mixer and refining. */
  MIXER_SETS = 512,
}

let leftOut: u32 = 0;

/** `mask` is the sum of the steps to leave out; 0, the value at the beginning, leaves out none. */
export function setAblation(mask: u32): void {
  leftOut = mask;
}

@inline
export function isLeftOut(step: Step): bool {
  return (leftOut & step) !== 0;
}
