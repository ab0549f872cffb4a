const MIB = 1024 * 1024;

/** The bounds of FORMAT.md. A reader refuses what is past them before it allocates anything. */
export const LIMITS = {
  headerBytes: 16 * MIB,
  files: 1024,
  textBytes: 256,
  frameOutputBytes: 32 * MIB,
  streamBytes: 16 * MIB,
  frameStreamsBytes: 24 * MIB,
} as const;

/** Where a builder cuts a frame: after this much output that is not plainly copied... */
export const FRAME_WORK_BYTES = 4 * MIB;
/** ...or after this much output of any sort. */
export const FRAME_OUTPUT_BYTES = 16 * MIB;

/** Output travels in pieces of at most this. */
export const PIECE_BYTES = 256 * 1024;
