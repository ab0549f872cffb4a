const MIB = 1024 * 1024;

/** The bounds of FORMAT.md. A reader refuses what is past them before it allocates anything. */
export const LIMITS = {
  headerBytes: 16 * MIB,
  files: 1024,
  textBytes: 256,
  /** Output of one frame, by format version. */
  frameOutputBytes: { 1: 32 * MIB, 2: 256 * MIB },
  streamBytes: 16 * MIB,
  frameStreamsBytes: 24 * MIB,
  /** Old ranges of one pair. */
  pairSources: 1024,
  /** Old bytes and new bytes of one pair. */
  pairBytes: 1024 * MIB,
} as const;

/** Where a builder cuts a frame: after this much output that fills the frame's own streams... */
export const FRAME_WORK_BYTES = 2 * MIB;
/** ...or when one more section would take it past this much output of pairs... */
export const FRAME_MODEL_BYTES = 6 * MIB;
/** ...or after this much output of any sort. */
export const FRAME_OUTPUT_BYTES = 16 * MIB;
/** The files of one pair may lie this far apart in the output: a section is never cut. */
export const PAIR_SPAN_BYTES = 128 * MIB;

/** A build reads and compares this much at once. */
export const PIECE_BYTES = 256 * 1024;
/** An apply hands out its output in pieces of at most this. */
export const APPLY_PIECE_BYTES = 128 * 1024;
